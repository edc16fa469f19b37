import { expect } from 'chai';
import { PlainDecoder } from '../../../src/transport/codec/plain/decoder.js';
import { PlainEncoder } from '../../../src/transport/codec/plain/encoder.js';

const guardBytes = 64;
const canary = 0xa5;

/** An encoder and the decoder at the other end, with a message's room between canaries. */
export class Pair {
  readonly encoder = new PlainEncoder();
  readonly decoder = new PlainDecoder();
  readonly #memory: Buffer;
  #moved: Buffer | undefined;

  constructor(readonly room = 65536) {
    this.#memory = Buffer.alloc(room + 2 * guardBytes, canary);
  }

  encode(value: unknown): number {
    const encoded = this.encoder.encode(value, this.#memory, guardBytes, guardBytes + this.room);
    const after = this.#memory.subarray(guardBytes + this.room);
    for (const guard of [this.#memory.subarray(0, guardBytes), after]) {
      expect(guard.every(byte => byte === canary)).to.equal(true);
    }
    this.#moved = typeof encoded === 'number' ? undefined : Buffer.from(encoded);
    return typeof encoded === 'number' ? encoded : encoded.length;
  }

  decode(length: number): unknown {
    const moved = this.#moved;
    if (moved) return this.decoder.decode(moved, 0, length);
    return this.decoder.decode(this.#memory, guardBytes, guardBytes + length);
  }

  get hasMoved(): boolean {
    return this.#moved !== undefined;
  }

  through(value: unknown): unknown {
    const length = this.encode(value);
    expect(length).to.be.greaterThan(0);
    this.encoder.sent();
    return this.decode(length);
  }

  bytes(value: unknown): Buffer {
    const length = this.encode(value);
    return this.#moved ?? Buffer.from(this.#memory.subarray(guardBytes, guardBytes + length));
  }
}

/** Values of one shape. */
export const order = (id: number) => ({
  id,
  name: 'some name',
  tags: ['a', 'b'],
  at: { city: 'Bonn' },
});
