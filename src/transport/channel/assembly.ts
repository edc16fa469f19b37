import { ShmError } from '../../errors.js';
import { giveSpare, takeSpare } from '../codec/spare.js';

/** The first piece of memory for a message that comes in parts. */
const firstBytes = 64 * 1024;

const allocate = (bytes: number) => Buffer.allocUnsafeSlow(bytes);

/**
 * A message that comes in parts. Each new block of memory is as large as all that has arrived, and
 * once half of the message has, the block is the message's own: so the pages in use are at most
 * twice what has arrived, and what was only announced costs nothing. Each byte is copied twice at
 * most, however small the parts are.
 */
export class Assembly {
  /** All are full, but the last. */
  #blocks: Buffer[] = [];
  /** Bytes in the last one. */
  #used = 0;
  #arrived = 0;
  #total = -1;

  /** A message has begun, and is not whole. */
  get active(): boolean {
    return this.#total >= 0;
  }

  /** Bytes that have come. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Bytes that are still to come. */
  get missing(): number {
    return this.#total - this.#arrived;
  }

  begin(total: number): void {
    this.#total = total;
  }

  /**
   * Takes the next part, from `at` to `end`, at most what is {@link missing}.
   *
   * @returns the message, where it is whole now: all of its ArrayBuffer
   * @throws {ShmError} `ENOMEM`: there is no memory for it
   */
  add(source: Buffer, at: number, end: number): Buffer | undefined {
    while (at < end) {
      let block = this.#blocks.at(-1);
      if (!block || this.#used === block.length) {
        block = this.#block();
      }
      const count = Math.min(end - at, block.length - this.#used);
      source.copy(block, this.#used, at, at + count);
      this.#used += count;
      this.#arrived += count;
      at += count;
    }
    if (this.missing > 0) return undefined;
    const [whole] = this.#blocks;
    this.clear();
    return whole;
  }

  /** There is no such message any more. */
  clear(): void {
    this.#blocks = [];
    this.#used = this.#arrived = 0;
    this.#total = -1;
  }

  /** Where the next bytes go, from `#used` on. */
  #block(): Buffer {
    const arrived = this.#arrived;
    const isHalf = 2 * arrived >= this.#total || this.#total <= firstBytes;
    if (!isHalf) {
      this.#used = 0;
      const block = this.#allocate(Math.max(arrived, firstBytes), takeSpare);
      this.#blocks.push(block);
      return block;
    }
    const whole = this.#allocate(this.#total, allocate);
    let at = 0;
    for (const block of this.#blocks) {
      at += block.copy(whole, at);
      giveSpare(block);
    }
    this.#blocks = [whole];
    this.#used = at;
    return whole;
  }

  #allocate(bytes: number, allocate: (bytes: number) => Buffer): Buffer {
    try {
      return allocate(bytes);
    } catch (cause) {
      const detail = `expected memory for a message of ${this.#total} bytes, got none`;
      throw new ShmError('ENOMEM', detail, 'channel.receive', undefined, cause);
    }
  }
}
