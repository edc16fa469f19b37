// Resizable ArrayBuffers, of which a few bytes reserve gigabytes of address space.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { structured } from '../../../src/transport/codec/structured.js';
import { thrown } from '../../support/errors.js';
import { collect } from '../../support/garbage.js';

/** V8's header, and an empty one that may grow to 4 GiB. */
const header = 'ff0f';
const huge = '7e00ffffffff0f';

type Resizable = new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
const ResizableBuffer = ArrayBuffer as unknown as Resizable;

describe('Resizable ArrayBuffers of a peer', function () {
  this.timeout(60_000);
  const codec = structured();
  const decode = (hex: string) => {
    const bytes = Buffer.from(hex, 'hex');
    return codec.decode(bytes, 0, bytes.length);
  };

  afterEach(async () => {
    await collect();
    await collect();
  });

  it('are refused before those that are kept take the address space', async () => {
    const kept: unknown[] = [];
    const keep = () => {
      // 128 TiB are all that a process has: 32,768 of them.
      for (let i = 0; i < 40_000; i++) kept.push(decode(header + huge));
    };
    const error = thrown(keep);
    expect(error.code).to.equal('ERR_CORRUPT');
    expect(String(error.cause)).to.match(/resizable ArrayBuffers in use/);
    expect(kept).to.have.length.within(1000, 10_000);
    // Views, and what lies deeper, count too; other values go on.
    expect(thrown(() => decode(`${header}41017e00ffffffff0f240001`)).code).to.equal('ERR_CORRUPT');
    expect(decode(`${header}6f22017e49027b01`)).to.deep.equal({ '~': 1 });
    kept.length = 0;
    await collect();
    await collect();
    expect((decode(header + huge) as ArrayBuffer).byteLength).to.equal(0);
  });

  it('are refused by their number as well: the kernel has a table of them', () => {
    const kept: unknown[] = [];
    const error = thrown(() => {
      for (let i = 0; i < 40_000; i++) kept.push(decode(`${header}7e0010`));
    });
    expect(error.code).to.equal('ERR_CORRUPT');
    expect(kept).to.have.length.within(1000, 10_000);
  });

  it('arrive as they are however many come, if they are not kept', async () => {
    const sent = { text: '~', buffer: new ResizableBuffer(8, { maxByteLength: 64 }) };
    const bytes = Buffer.from(structured().encode(sent));
    for (let i = 0; i < 20_000; i++) {
      const { buffer } = codec.decode(bytes, 0, bytes.length) as typeof sent;
      const { resizable, maxByteLength } = buffer as unknown as Record<string, unknown>;
      expect([buffer.byteLength, resizable, maxByteLength]).to.deep.equal([8, true, 64]);
      if (i % 256 === 0) await nextTurn(); // as a channel does
    }
  });

  it('are looked for in values of any shape, in bounded time', () => {
    // An array that says it has 2^32 - 1 elements, and has one; a cycle; and a long text.
    const sparse = decode(`${header}61ffffffff0f490222017e4001ffffffff0f`) as unknown[];
    expect(sparse).to.have.length(2 ** 32 - 1);
    const cyclic: Record<string, unknown> = { text: '~'.repeat(1e6), map: new Map() };
    (cyclic.map as Map<unknown, unknown>).set(cyclic, new Set([cyclic]));
    const bytes = Buffer.from(codec.encode(cyclic));
    expect(codec.decode(bytes, 0, bytes.length)).to.deep.equal(cyclic);
  });
});
