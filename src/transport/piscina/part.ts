import { ShmError } from '../../errors.js';
import type { Region } from '../../native/region.js';
import { Allocator, type AllocatorStats } from './allocator.js';
import { headerBytes, lockOf, ticketBytes } from './layout.js';
import type { Shape } from './shape.js';
import { Tickets } from './tickets.js';

/** What freed bytes are filled with in an arena made with `debug`. */
const poison = 0xdb;

/** A piece of the arena that is in use; private to the thread that allocates. */
export interface Block {
  readonly number: number;
  /** From the beginning of the file. */
  readonly offset: number;
  /** Bytes, no fewer than were asked for. */
  readonly length: number;
}

/** The part of an arena that this object's owner allocates from. */
export class Part {
  readonly tickets: Tickets;
  readonly #region: Region;
  readonly #number: number;
  /** Where payloads begin. */
  readonly #start: number;
  readonly #allocator: Allocator;
  readonly #debug: boolean;

  private constructor(region: Region, number: number, { partBytes, tickets, debug }: Shape) {
    this.#region = region;
    this.#number = number;
    this.#debug = debug;
    const offset = headerBytes + number * partBytes;
    const bytes = partBytes - tickets * ticketBytes;
    this.#start = offset + tickets * ticketBytes;
    this.tickets = new Tickets(new Int32Array(region.buffer), offset, tickets);
    this.#allocator = new Allocator(bytes);
    // Whoever had the part before may have been killed amid anything.
    if (debug) region.bytes.fill(poison, this.#start, this.#start + bytes);
  }

  /**
   * The first part whose lock is free; undefined where all are taken. Its former owner, if
   * it had one, is gone with all of its threads: the kernel says so.
   */
  static take(region: Region, shape: Shape): Part | undefined {
    for (let number = 0; number < shape.parts; number++) {
      if (region.tryLock(lockOf(number))) return new Part(region, number, shape);
    }
    return undefined;
  }

  /**
   * @returns undefined where there is no room
   * @throws {ShmError} `ERR_USE_AFTER_FREE` with `debug`, where somebody wrote into bytes
   *   after they had been freed; they are in use by nobody then, and free still
   */
  allocate(bytes: number): Block | undefined {
    const number = this.#allocator.allocate(bytes);
    if (number === -1) return undefined;
    const offset = this.#start + this.#allocator.offset(number);
    const block = { number, offset, length: this.#allocator.size(number) };
    if (this.#debug) this.#checkPoison(block);
    return block;
  }

  #checkPoison(block: Block): void {
    const { offset, length } = block;
    const bytes = this.#region.bytes.subarray(offset, offset + length);
    const at = bytes.findIndex(byte => byte !== poison);
    if (at === -1) return;
    this.free(block); // poisoned again, so that one mistake is told once
    const detail = `expected freed memory to be left alone, got a write at byte ${offset + at}`;
    throw new ShmError('ERR_USE_AFTER_FREE', detail, 'arena.allocate', this.#region.path);
  }

  free({ number, offset }: Block): void {
    if (this.#debug) {
      this.#region.bytes.fill(poison, offset, offset + this.#allocator.size(number));
    }
    this.#allocator.free(number);
  }

  /** Keeps the first `bytes` of a block. */
  shrink({ number, offset }: Block, bytes: number): void {
    const before = this.#allocator.size(number);
    this.#allocator.shrink(number, bytes);
    if (!this.#debug) return;
    const after = this.#allocator.size(number);
    this.#region.bytes.fill(poison, offset + after, offset + before);
  }

  stats(): AllocatorStats {
    return this.#allocator.stats();
  }

  close(): void {
    this.#region.unlock(lockOf(this.#number));
  }
}
