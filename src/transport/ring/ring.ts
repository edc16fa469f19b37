import { ShmError } from '../../errors.js';
import {
  aDirectory,
  checkedLater,
  checkOptions,
  notConstructed,
  type Rule,
} from '../../native/arguments.js';
import { Region } from '../../native/region.js';
import { Consumer } from './consumer.js';
import type { FilePath } from '../../native/paths.js';
import { checkHeader, formatHeader, isKept, keptEnds } from './header.js';
import { checkCapacity, ringHeaderBytes, ringTrailerBytes, maxPayload, Magic } from './layout.js';
import { RegionMemory, type RingMemory } from './memory.js';
import { Producer } from './producer.js';
import { type RoleOptions, roleRules } from './role-options.js';
import { readStats, type RingStats } from './stats.js';

/**
 * How another thread or process finds a ring: plain data for `workerData`, `process.send`
 * or, as JSON, the environment. Good as long as somebody has the ring open.
 */
export interface RingHandle {
  /** The ring's file. */
  readonly path: string;
  /** Bytes of records that the ring holds, their headers included. */
  readonly capacity: number;
}

/** What {@link Ring.create} makes. */
export interface RingOptions {
  /** Bytes of records it holds, headers included: a power of two from 4 KiB to 1 GiB. */
  capacity: number;
  /**
   * An ordinary file to keep the ring in; it must not exist. Its unread records survive
   * both users, however they open it. Without it the ring is private, and gone with its last
   * user.
   */
  path?: FilePath;
  /** Directory of a private ring. @default the per-user region directory */
  directory?: string;
}

const rules = {
  capacity: checkedLater,
  path: checkedLater,
  directory: aDirectory,
} satisfies Record<keyof RingOptions, Rule>;

/**
 * A queue of byte records in shared memory, for one producer and one consumer, each a
 * thread of any process of this user.
 *
 * @example
 * const ring = Ring.create({ capacity: 65536 });
 * child.send(ring.handle); // there: Ring.open(handle).consumer()
 * ring.producer().writeSync(Buffer.from('hello'));
 */
export class Ring {
  /** Bytes of records it holds, their headers of 8 bytes included. */
  readonly capacity: number;
  readonly #memory: RingMemory;
  readonly #sides: { producer?: Producer; consumer?: Consumer } = {};
  #closed = false;

  private constructor(memory: RingMemory, capacity: number) {
    if (!memory?.words) notConstructed('Ring', 'Ring.create(options) or Ring.open(handle)');
    this.#memory = memory;
    this.capacity = capacity;
  }

  /**
   * Makes a ring with its memory reserved.
   *
   * @throws {ShmError} `ERR_OUT_OF_RANGE` for the capacity; `ENOSPC`, `EEXIST` and other
   *   errno names from the file system, which is as it was then
   */
  static create(options: RingOptions): Ring {
    const operation = 'ring.create';
    checkOptions(operation, options, rules);
    checkCapacity(operation, options.capacity);
    const bytes = ringHeaderBytes + options.capacity;
    const { directory, path, capacity } = options;
    if (path !== undefined) {
      const ends = keptEnds(Magic.ring, capacity);
      return Ring.#take(
        Region.createKept({ bytes: bytes + ringTrailerBytes, path, ends, operation }),
      );
    }
    const region = Region.create({
      ...{ bytes, kind: 'ring', operation },
      ...(directory !== undefined && { directory }),
    });
    return Ring.format(new RegionMemory(region), capacity);
  }

  /**
   * Opens a ring by its handle, or one kept in a file by its path.
   *
   * @param handle a ring's {@link Ring.handle}; or text, a `file:` URL or bytes, as `path` of
   *   {@link create}
   * @throws {ShmError} `ENOENT` where it is gone, `ERR_CORRUPT` where the file is no ring,
   *   `ERR_VERSION` where another version of this package made it, `ERR_OUT_OF_RANGE` where it
   *   is longer than this Node can address, `ERR_INVALID_ARG`
   */
  static open(handle: RingHandle | FilePath): Ring {
    const { path } = (handle ?? {}) as Partial<RingHandle>;
    const file = typeof path === 'string' ? path : (handle as FilePath);
    return Ring.#take(Region.open(file, { operation: 'ring.open' }));
  }

  static #take(region: Region): Ring {
    const memory = new RegionMemory(region);
    try {
      const capacity = checkHeader(memory, Magic.ring, 'ring.open');
      const { byteLength } = memory.words;
      if (byteLength === 2 * (ringHeaderBytes + capacity)) {
        const detail = 'expected one ring, got the two of a channel; use Channel.open';
        throw new ShmError('ERR_INVALID_ARG', detail, 'ring.open', region.path);
      }
      if (isKept(memory)) {
        region.leaveName();
        memory.guard();
      }
      return new Ring(memory, capacity);
    } catch (error) {
      // A file that is not one of our rings is not ours to remove.
      region.leaveName();
      region.close(true);
      throw error;
    }
  }

  /** @internal Lays an empty ring into zeroed memory. */
  static format(memory: RingMemory, capacity: number): Ring {
    formatHeader(memory, Magic.ring, capacity);
    return new Ring(memory, capacity);
  }

  /** @internal Checks and takes up the ring in a piece of memory. */
  static attach(memory: RingMemory): Ring {
    return new Ring(memory, checkHeader(memory, Magic.ring, 'ring.open'));
  }

  /** The ring's memory, header included: to hand to threads that read borrowed records. */
  get buffer(): SharedArrayBuffer {
    return this.#memory.words.buffer as SharedArrayBuffer;
  }

  /** What another thread or process opens the ring by; good as long as somebody has it open. */
  get handle(): RingHandle {
    return { path: this.#memory.address, capacity: this.capacity };
  }

  /** The longest record in bytes. */
  get maxLength(): number {
    return maxPayload(this.capacity);
  }

  /**
   * Takes the writing role, which a ring has once.
   *
   * @throws {ShmError} `ERR_ROLE_TAKEN` where this or another process holds it, `ERR_CLOSED`
   * @example
   * const ring = Ring.create({ capacity: 65536 });
   * using producer = ring.producer();
   * if (!producer.tryWrite(bytes)) await producer.write(bytes, { timeout: 1000 }); // it was full
   */
  producer(options?: RoleOptions): Producer {
    this.#checkOpen('producer');
    if (options !== undefined) checkOptions('ring.producer', options, roleRules);
    const producer = Producer.make(this.#memory, this.capacity, options);
    this.#sides.producer = producer;
    return producer;
  }

  /**
   * Takes the reading role, which a ring has once.
   *
   * @throws {ShmError} `ERR_ROLE_TAKEN` where this or another process holds it, `ERR_CLOSED`
   * @example
   * const ring = Ring.open('queue.ring');
   * for await (const record of ring.consumer()) console.log(record.length); // until the end
   */
  consumer(options?: RoleOptions): Consumer {
    this.#checkOpen('consumer');
    if (options !== undefined) checkOptions('ring.consumer', options, roleRules);
    const consumer = Consumer.make(this.#memory, this.capacity, options);
    this.#sides.consumer = consumer;
    return consumer;
  }

  /**
   * What is in the ring and who uses it, read from shared memory; also of a ring in use.
   *
   * @throws {ShmError} `ERR_CLOSED`, `ERR_TRUNCATED`
   */
  stats(): RingStats {
    this.#checkOpen('stats');
    const stats = readStats(this.#memory, this.capacity);
    const fault = this.#memory.fault('ring.stats');
    if (fault) throw fault;
    return stats;
  }

  /**
   * Gives up the roles taken through this object and its hold on the memory, which goes back to
   * the system at once: views that are left read zeros. Only while a handler of `drain` runs, or
   * records are borrowed, does it stay until those views are collected.
   */
  close(): void {
    this.#closed = true;
    const { producer, consumer } = this.#sides;
    const inUse = consumer?.inUse ?? false;
    producer?.end();
    consumer?.close();
    this.#memory.close(!inUse);
  }

  /** The same as `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(operation: string): void {
    if (!this.#closed) return;
    const detail = 'this ring was closed; open it again by its handle, while somebody has it';
    throw new ShmError('ERR_CLOSED', detail, `ring.${operation}`, this.#memory.address);
  }
}
