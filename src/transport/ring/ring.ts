import { ShmError } from '../../errors.js';
import { Region } from '../../native/region.js';
import { Consumer } from './consumer.js';
import { checkHeader, formatHeader } from './header.js';
import { checkCapacity, ringHeaderBytes, maxPayload, Magic } from './layout.js';
import { RegionMemory, type RingMemory } from './memory.js';
import { Producer, type RoleOptions } from './producer.js';
import { readStats, type RingStats } from './stats.js';

/**
 * How another thread or process finds a ring: plain data for `workerData`, `process.send`
 * or, as JSON, the environment. Good as long as somebody has the ring open.
 */
export interface RingHandle {
  readonly path: string;
  readonly capacity: number;
}

export interface RingOptions {
  /** Bytes of records it holds, headers included: a power of two from 4 KiB to 1 GiB. */
  capacity: number;
  /**
   * An ordinary file to keep the ring in; it must not exist. Its unread records survive
   * both users. Without it the ring is private, and gone with its last user.
   */
  path?: string;
  /** Directory of a private ring. @default the per-user region directory */
  directory?: string;
}

/**
 * A queue of byte records in shared memory, for one producer and one consumer, each a
 * thread of any process of this user.
 *
 * @example
 * const ring = Ring.create({ capacity: 65536 });
 * child.send(ring.handle);                       // there: Ring.open(handle).consumer()
 * ring.producer().writeSync(Buffer.from('hello'));
 */
export class Ring {
  readonly capacity: number;
  readonly #memory: RingMemory;
  readonly #sides: { producer?: Producer; consumer?: Consumer } = {};

  private constructor(memory: RingMemory, capacity: number) {
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
    checkCapacity('ring.create', options.capacity);
    const bytes = ringHeaderBytes + options.capacity;
    const region = Region.create({ ...options, bytes, kind: 'ring' });
    return Ring.format(new RegionMemory(region), options.capacity);
  }

  /**
   * Opens a ring by its handle, or one kept in a file by its path.
   *
   * @throws {ShmError} `ENOENT` where it is gone, `ERR_CORRUPT` where the file is no ring,
   *   `ERR_VERSION` where another version of this package made it
   */
  static open(handle: RingHandle | string): Ring {
    const path = typeof handle === 'string' ? handle : handle?.path;
    if (typeof path !== 'string') {
      throw new ShmError('ERR_INVALID_ARG', 'expected a ring handle or a path', 'ring.open');
    }
    const region = Region.open(path, { keep: typeof handle === 'string' });
    try {
      return Ring.attach(new RegionMemory(region));
    } catch (error) {
      region.close();
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
   * @throws {ShmError} `ERR_ROLE_TAKEN` where this or another process holds it
   */
  producer(options?: RoleOptions): Producer {
    const producer = Producer.make(this.#memory, this.capacity, options);
    this.#sides.producer = producer;
    return producer;
  }

  /**
   * Takes the reading role, which a ring has once.
   *
   * @throws {ShmError} `ERR_ROLE_TAKEN` where this or another process holds it
   */
  consumer(options?: RoleOptions): Consumer {
    const consumer = Consumer.make(this.#memory, this.capacity, options);
    this.#sides.consumer = consumer;
    return consumer;
  }

  /** What is in the ring and who uses it, read from shared memory; also of a ring in use. */
  stats(): RingStats {
    return readStats(this.#memory, this.capacity);
  }

  /** Gives up the roles taken through this object and its hold on the memory. */
  close(): void {
    this.#sides.producer?.end();
    this.#sides.consumer?.close();
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
