/** Numbers below a bound, the same for the same seed: mulberry32, by Tommy Ettinger. */
export function random(seed: number): (bound: number) => number {
  let state = seed | 0;
  return bound => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

/**
 * An endless sequence of messages, the same for the same seed: pieces of random length at
 * random places of a pool of random bytes. One side sends them, the other compares.
 */
export class Traffic {
  readonly #next: (bound: number) => number;
  readonly #pool: Buffer;
  readonly #longest: number;
  /** Bytes of all messages so far. */
  bytes = 0;
  count = 0;

  constructor(seed: number, longest: number) {
    this.#next = random(seed);
    this.#longest = longest;
    this.#pool = Buffer.alloc(2 * longest + 8192);
    for (let i = 0; i < this.#pool.length; i++) this.#pool[i] = this.#next(256);
  }

  /** The next message; stays valid; must not be changed. */
  next(): Buffer {
    const length = this.#next(this.#longest + 1);
    const at = this.#next(this.#pool.length - length);
    this.bytes += length;
    this.count++;
    return this.#pool.subarray(at, at + length);
  }

  /** Compares every byte of a received message with the next one of the sequence. */
  verify(bytes: Uint8Array, offset = 0, length = bytes.length): void {
    const expected = this.next();
    const got = Buffer.from(bytes.buffer, bytes.byteOffset + offset, length);
    if (expected.equals(got)) return;
    throw new Error(
      `message ${this.count} differs: expected ${expected.length} bytes, got ${length}: ` +
        `${expected.subarray(0, 16).toString('hex')}… against ${got.subarray(0, 16).toString('hex')}…`,
    );
  }
}
