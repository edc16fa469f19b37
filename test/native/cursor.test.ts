import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { type Mapped, openFile, openMem } from '../../src/index.js';
import { random } from '../support/traffic.js';
import { thrown } from '../support/errors.js';
import { scratch } from './support.js';

const size = 10_000;

describe('Mapped: cursor and copies', () => {
  const path = scratch();

  const backings: [string, () => Mapped][] = [
    ['MapFile', () => openFile(path('cursor'), { access: 'read-write', create: true, size })],
    [
      'MapFile at an odd offset',
      () => {
        openFile(path('odd'), { access: 'read-write', create: true, size: size + 13 }).close();
        return openFile(path('odd'), { access: 'read-write', offset: 13 });
      },
    ],
    ['MapMem', () => openMem({ bytes: size })],
  ];

  for (const [name, open] of backings) {
    describe(name, () => {
      let mapped: Mapped;
      beforeEach(() => (mapped = open()));
      afterEach(() => mapped.close());

      it('reads back what was written, by cursor, by place and byte by byte', () => {
        const next = random(11);
        const model = Buffer.from(mapped.bytes);
        mapped.seek(0);
        let position = 0;
        for (let step = 0; step < 3000; step++) {
          const at = next(size);
          const data = Buffer.from(Array.from({ length: next(60) }, () => next(256)));
          const fits = Math.min(data.length, size - at);
          switch (next(6)) {
            case 0:
              expect(mapped.writeAt(data.subarray(0, fits), at)).to.equal(fits);
              data.copy(model, at, 0, fits);
              break;
            case 1: {
              const target = Buffer.alloc(data.length, 1);
              expect(mapped.readAt(target, at)).to.equal(fits);
              expect(target.subarray(0, fits).equals(model.subarray(at, at + fits))).to.equal(true);
              expect(target.subarray(fits).every(byte => byte === 1)).to.equal(true);
              break;
            }
            case 2:
              position = mapped.seek(at);
              break;
            case 3: {
              const target = Buffer.alloc(data.length);
              const count = mapped.read(target);
              expect(count).to.equal(Math.min(data.length, size - position));
              const wanted = model.subarray(position, position + count);
              expect(target.subarray(0, count).equals(wanted)).to.equal(true);
              position += count;
              break;
            }
            case 4:
              if (position === size) break;
              mapped.writeByte(data[0] ?? 0);
              model[position++] = data[0] ?? 0;
              break;
            default:
              expect(mapped.at(at)).to.equal(model[at]);
              expect(mapped.readByte()).to.equal(model[position] ?? -1);
              if (position < size) position++;
          }
          expect(mapped.position).to.equal(position);
        }
        expect(model.equals(mapped.bytes)).to.equal(true);
      });

      it('seeks from the start, the cursor and the end', () => {
        expect(mapped.seek(10)).to.equal(10);
        expect(mapped.seek(5, 'current')).to.equal(15);
        expect(mapped.seek(-15, 'current')).to.equal(0);
        expect(mapped.seek(-1, 'end')).to.equal(size - 1);
        expect(mapped.seek(7, 'end')).to.equal(size + 7);
        expect(mapped.read(Buffer.alloc(1))).to.equal(0);
        expect(mapped.readByte()).to.equal(-1);
        const error = thrown(() => mapped.seek(-size - 1, 'end'));
        expect(error.code).to.equal('EINVAL');
        expect(error.message).to.contain('-1');
        expect(mapped.position).to.equal(size + 7);
        mapped.position = 3;
        expect(mapped.seek(0, 'current')).to.equal(3);
        for (const nonsense of [Number.NaN, 0.5, 2 ** 60]) {
          expect(thrown(() => mapped.seek(nonsense)).code).to.equal('ERR_OUT_OF_RANGE');
        }
        expect(thrown(() => mapped.seek('1' as never)).code).to.equal('ERR_INVALID_ARG');
        expect(thrown(() => mapped.seek(0, 'middle' as never)).code).to.equal('ERR_INVALID_ARG');
        expect(thrown(() => mapped.seek(0, 'toString' as never)).code).to.equal('ERR_INVALID_ARG');
        expect(thrown(() => (mapped.position = -1)).code).to.equal('ERR_OUT_OF_RANGE');
        expect(mapped.position).to.equal(3);
      });

      it('writes what fits and tells the rest by ERR_SHORT_WRITE', () => {
        mapped.seek(-3, 'end');
        const error = thrown(() => mapped.write(Buffer.from('12345')));
        expect(error).to.include({ code: 'ERR_SHORT_WRITE', written: 3 });
        expect(mapped.position).to.equal(size);
        const tail = Buffer.alloc(3);
        mapped.readAt(tail, size - 3);
        expect(tail.toString()).to.equal('123');
        expect(thrown(() => mapped.writeByte(1))).to.include({
          code: 'ERR_SHORT_WRITE',
          written: 0,
        });
        const placed = thrown(() => mapped.writeAt(Buffer.from('xyz'), size - 1));
        expect(placed).to.include({ code: 'ERR_SHORT_WRITE', written: 1 });
        expect(thrown(() => mapped.writeAt(Buffer.from('x'), size + 5)).written).to.equal(0);
        expect(mapped.write(new Uint8Array(0))).to.equal(0);
        expect(mapped.length).to.equal(size);
      });

      it('refuses bad arguments and changes nothing', () => {
        const before = Buffer.from(mapped.bytes);
        for (const nonsense of [
          'text',
          null,
          5,
          [1],
          new Int32Array(2),
          new DataView(before.buffer),
        ]) {
          expect(thrown(() => mapped.read(nonsense as never)).code).to.equal('ERR_INVALID_ARG');
          expect(thrown(() => mapped.write(nonsense as never)).code).to.equal('ERR_INVALID_ARG');
        }
        for (const place of [-1, 0.5, Number.NaN, Infinity]) {
          const code = 'ERR_OUT_OF_RANGE';
          expect(thrown(() => mapped.readAt(Buffer.alloc(1), place)).code).to.equal(code);
          expect(thrown(() => mapped.writeAt(Buffer.alloc(1), place)).code).to.equal(code);
          expect(thrown(() => mapped.at(place)).code).to.equal(code);
        }
        expect(thrown(() => mapped.at(size)).code).to.equal('ERR_OUT_OF_RANGE');
        expect(thrown(() => mapped.writeByte(256)).code).to.equal('ERR_OUT_OF_RANGE');
        expect(thrown(() => mapped.writeByte(-1)).code).to.equal('ERR_OUT_OF_RANGE');
        expect(thrown(() => mapped.sync({ offset: size + 1 })).code).to.equal('ERR_OUT_OF_RANGE');
        expect(thrown(() => mapped.sync({ offset: 1, length: size })).code).to.equal(
          'ERR_OUT_OF_RANGE',
        );
        expect(thrown(() => mapped.lock(5 as never)).code).to.equal('ERR_INVALID_ARG');
        expect(before.equals(mapped.bytes)).to.equal(true);
      });

      it('refuses everything after close, twice if need be', () => {
        mapped.close();
        mapped.close();
        expect(mapped.closed).to.equal(true);
        expect(mapped.length).to.equal(size);
        for (const use of [
          () => mapped.bytes,
          () => mapped.buffer,
          () => mapped.at(0),
          () => mapped.read(Buffer.alloc(1)),
          () => mapped.readByte(),
          () => mapped.readAt(Buffer.alloc(1), 0),
          () => mapped.write(Buffer.alloc(1)),
          () => mapped.writeByte(1),
          () => mapped.writeAt(Buffer.alloc(1), 0),
          () => mapped.seek(0),
          () => mapped.sync(),
          () => mapped.advise('normal'),
          () => mapped.lock(),
          () => mapped.unlock(),
          () => mapped.protect('read'),
          () => mapped.resident(),
          () => mapped.createReadStream(),
          () => mapped.createWriteStream(),
        ]) {
          expect(thrown(use).code, String(use)).to.equal('ERR_CLOSED');
        }
      });
    });
  }

  it('refuses to write through a read-only mapping', () => {
    writeFileSync(path('fixed'), 'fixed');
    using mapped = openFile(path('fixed'));
    expect(thrown(() => mapped.write(Buffer.from('x'))).code).to.equal('EBADF');
    expect(thrown(() => mapped.writeByte(1)).code).to.equal('EBADF');
    expect(thrown(() => mapped.writeAt(Buffer.from('x'), 0)).code).to.equal('EBADF');
    expect(thrown(() => mapped.createWriteStream()).code).to.equal('EBADF');
    expect(thrown(() => mapped.protect('read-write')).code).to.equal('EACCES');
    expect(readFileSync(path('fixed'), 'utf8')).to.equal('fixed');
  });
});
