import { readFileSync, writeFileSync } from 'node:fs';
import { createContext, runInContext, runInNewContext } from 'node:vm';
import { MessageChannel, moveMessagePortToContext } from 'node:worker_threads';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { openFile, openMem, reap, Ring } from '../../src/index.js';
import { thrown } from '../support/errors.js';
import { scratch, skip } from './support.js';

describe('Values that are handed over', () => {
  const path = scratch();

  /** The same buffer as a thread of another realm gets it: its constructor is another one. */
  async function ofAnotherRealm(buffer: SharedArrayBuffer): Promise<SharedArrayBuffer> {
    const { port1, port2 } = new MessageChannel();
    const moved = moveMessagePortToContext(port2, createContext());
    const arrived = new Promise<SharedArrayBuffer>(resolve => {
      (moved as unknown as { onmessage: (event: { data: SharedArrayBuffer }) => void }).onmessage =
        event => resolve(event.data);
    });
    (moved as unknown as { start?: () => void }).start?.();
    port1.postMessage(buffer);
    const other = await arrived;
    port1.close();
    return other;
  }

  it('memory of another realm is taken up, and copied to and from', async () => {
    using mem = openMem({ bytes: 8192 });
    const other = await ofAnotherRealm(mem.buffer);
    expect(other).to.not.be.instanceOf(SharedArrayBuffer);
    using taken = openMem(other);
    taken.bytes[8191] = 5;
    expect(mem.at(8191)).to.equal(5);
    const bytes = runInNewContext('new Uint8Array([1, 2, 3])') as Uint8Array;
    expect(mem.write(bytes)).to.equal(3);
    expect(mem.readAt(bytes, 1)).to.equal(3);
    expect([...bytes]).to.deep.equal([2, 3, 0]);
    using ring = Ring.create({ capacity: 4096 });
    expect(ring.producer().tryWrite(bytes)).to.equal(true);
    expect([...ring.consumer().tryRead()!]).to.deep.equal([2, 3, 0]);
  });

  it('paths are texts, URLs and bytes, of any realm', () => {
    const file = path('näme');
    writeFileSync(file, 'text');
    const context = createContext({ URL });
    const { href } = pathToFileURL(file);
    // A look-alike, as another realm's class is.
    const url = runInContext(
      `(class extends Object { href = ${JSON.stringify(href)};
      protocol = 'file:' })`,
      context,
    ) as new () => URL;
    for (const name of [file, pathToFileURL(file), Buffer.from(file), new url()]) {
      using mapped = openFile(name);
      expect(mapped.path).to.equal(file);
    }
    for (const name of [
      ...[5, null, undefined, {}, [file], '', 'a\0b', Buffer.from('a\0b'), Buffer.alloc(0)],
      ...[Buffer.from([0x2f, 0xff]), new URL('http://a/b'), new URL('file:///a%00b')],
      ...[new URL('file:///a%2Fb'), { href: 'nonsense', protocol: 'x' }],
    ]) {
      for (const open of [
        () => openFile(name as string),
        () => Ring.open(name as string),
        () => Ring.create({ capacity: 4096, path: (name ?? 0) as string }),
      ]) {
        expect(thrown(open).code, JSON.stringify(name)).to.equal('ERR_INVALID_ARG');
      }
    }
  });

  it('openMem makes nothing of what is no options', () => {
    using mem = openMem();
    const closed = openMem();
    closed.close();
    writeFileSync(path('file'), 'text');
    using file = openFile(path('file'));
    for (const wrong of [
      ...[
        mem.bytes,
        mem.bytes.buffer,
        new Int32Array(mem.buffer),
        Buffer.alloc(8),
        new DataView(mem.buffer),
      ],
      ...[mem, file, { id: mem.id }, { bytes: 10, id: undefined }],
      ...[
        [],
        new Map(),
        new Set(),
        new Date(),
        /x/,
        Promise.resolve(),
        new Error('x'),
        new URL('file:///a'),
      ],
      ...[null, 5, 5n, true, Symbol('x'), () => {}, ''],
      ...[new SharedArrayBuffer(8), new ArrayBuffer(8)],
      ...[{ bytes: '5' }, { bytes: {} }, { access: 'write' }, { directory: 5 }],
      runInNewContext('new Map()'),
      runInNewContext('new SharedArrayBuffer(8)'),
    ] as never[]) {
      expect(thrown(() => openMem(wrong)).code).to.equal('ERR_INVALID_ARG');
    }
    for (const options of [5, [], 'x', mem, { id: mem.id }] as never[]) {
      expect(thrown(() => openMem(mem.id, options)).code).to.equal('ERR_INVALID_ARG');
      expect(thrown(() => openMem(undefined, options)).code).to.equal('ERR_INVALID_ARG');
    }
    // As options are taken: plain ones of any realm, with or without a prototype.
    for (const options of [
      ...[
        {},
        { bytes: undefined },
        Object.create(null) as object,
        Object.create({ bytes: 100 }) as object,
      ],
      runInNewContext('({ bytes: 100 })'),
    ] as object[]) {
      openMem(options).close();
    }
    expect(reap()).to.deep.equal([]);
  });

  it('openFile refuses options of a wrong kind', () => {
    writeFileSync(path('text'), 'text');
    for (const options of [
      null,
      5,
      'r',
      [],
      new Map(),
      { lock: 1 },
      { prefault: 'no' },
    ] as never[]) {
      expect(thrown(() => openFile(path('text'), options)).code).to.equal('ERR_INVALID_ARG');
    }
    expect(readFileSync(path('text'), 'utf8')).to.equal('text');
  });

  it('after a transfer of the buffer the mapping shows another view', function () {
    const file = path('transferred');
    writeFileSync(file, Buffer.alloc(8192, 'x'));
    using mapped = openFile(file, { access: 'read-write' });
    const before = mapped.bytes.buffer;
    const { transfer } = before as unknown as { transfer?: (length?: number) => ArrayBuffer };
    if (!transfer) skip(this, 'this Node has no ArrayBuffer.prototype.transfer');
    for (const length of [undefined, 16_384]) {
      const moved = transfer.call(mapped.bytes.buffer, length);
      expect(before.byteLength).to.equal(0);
      const target = Buffer.alloc(10);
      expect(mapped.readAt(target, 8182)).to.equal(10);
      expect(target.toString()).to.equal('xxxxxxxxxx');
      expect(mapped.at(8191)).to.equal(120);
      expect(mapped.writeAt(Buffer.from('y'), 0)).to.equal(1);
      expect(mapped.bytes).to.have.length(8192);
      expect(readFileSync(file).subarray(0, 2).toString()).to.equal('yx');
      expect(moved.byteLength).to.equal(length ?? 8192);
    }
  });
});
