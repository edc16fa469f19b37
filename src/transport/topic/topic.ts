import { invalidArgument, outOfRange, ShmError } from '../../errors.js';
import { checkOptions, isObject, notConstructed } from '../../native/arguments.js';
import { atExit } from '../../native/at-exit.js';
import type { FilePath } from '../../native/paths.js';
import { rangeCodec } from '../codec/codec.js';
import type { RangeCodec } from '../codec/types.js';
import { parseAdaptive, parseStrategy } from '../ring/wait-strategy.js';
import { checkSame, findTopic, makeKept, makeTopic, numberOf, type OpenTopic } from './find.js';
import { codecNumbers, maxPayload } from './layout.js';
import { merge, type Merged } from './merge.js';
import {
  checkName,
  createRules,
  type SubscribeOptions,
  subscribeRules,
  type TopicCreateOptions,
  type TopicHandle,
  type TopicOptions,
  topicRules,
} from './options.js';
import { PublisherRole } from './publisher-role.js';
import { TopicReader } from './reader.js';
import { ReaderSlot } from './reader-slot.js';
import { readTopicStats, type TopicStats } from './stats.js';
import { Subscription } from './subscription.js';
import { TopicWriter } from './writer.js';

const defaultCapacity = 2 ** 20;
const defaultReaderTimeout = 5000;

interface TopicParts<T> extends OpenTopic {
  readonly codec: RangeCodec<T>;
  readonly copies: boolean;
  /** Milliseconds, where it publishes. */
  readonly publishes?: number;
}

/**
 * Values that one publisher writes once, however many read them: up to 1,024 subscriptions in threads
 * and processes of this user, each at its own position. The publisher does not wait for a reader that
 * has not asked for it; a reader that falls behind by more than the capacity is told what it missed.
 *
 * @example
 * const ticks = Topic.create<{ price: number }>('ticks');
 * ticks.publish({ price: 101.5 });
 * // in any other process of this user:
 * Topic.open<{ price: number }>('ticks').subscribe().on('message', ({ price }) => console.log(price));
 */
export class Topic<T = unknown> {
  /** What {@link Topic.open} finds it by; empty where it has none. */
  readonly name: string;
  /** Bytes of records it holds, headers of 16 bytes included. */
  readonly capacity: number;
  readonly #parts: TopicParts<T>;
  readonly #writer: TopicWriter<T> | undefined;
  readonly #subscriptions = new Set<Subscription<T>>();
  readonly #stayOpen: () => void = () => {};
  #closed = false;

  /**
   * Makes a topic and takes its publisher's role. Where one of that name is open whose publisher is
   * gone, or the file is there, this goes on behind its last record.
   *
   * @param name by which others find it; undefined: by its {@link handle} alone
   * @throws {ShmError} `ERR_ROLE_TAKEN` where it has a publisher; `ERR_INVALID_ARG` where it is there
   *   with another capacity or codec; `ERR_VERSION`, `ERR_CORRUPT`, `ERR_TRUNCATED` where what is
   *   there cannot be gone on with; `ENOSPC` and other errno names. Nothing was changed
   */
  static create<T = unknown>(name?: string, options: TopicCreateOptions<T> = {}): Topic<T> {
    const operation = 'topic.create';
    if (isObject(name)) throw invalidArgument(operation, 'name', 'a string or undefined', name);
    if (name !== undefined) checkName(operation, name);
    checkOptions(operation, options, createRules);
    const { capacity = defaultCapacity, path, directory, codec } = options;
    const wanted = {
      ...{ name: name ?? '', capacity, kept: path !== undefined },
      codec: numberOf(codec),
    };
    const open =
      path === undefined
        ? makeTopic(wanted, name !== undefined, directory)
        : makeKept(wanted, path);
    return Topic.#make(operation, open, options, options.readerTimeout ?? defaultReaderTimeout);
  }

  /**
   * Opens a topic to read it.
   *
   * @param topic its name, its handle, or the path of the file it is kept in: text with a slash, a
   *   `file:` URL or bytes
   * @throws {ShmError} `ENOENT` where there is none; `ERR_INVALID_ARG` where it has another codec;
   *   `ERR_CORRUPT` where the file is no topic, `ERR_TRUNCATED` where it was cut, `ERR_VERSION`
   */
  static open<T = unknown>(
    topic: string | TopicHandle | FilePath,
    options: TopicOptions<T> = {},
  ): Topic<T> {
    checkOptions('topic.open', options, topicRules);
    return Topic.#make('topic.open', findTopic(topic, options.directory), options);
  }

  static #make<T>(
    operation: string,
    open: OpenTopic,
    options: TopicCreateOptions<T>,
    publishes?: number,
  ): Topic<T> {
    try {
      const { constants } = open;
      checkSame(operation, open, options);
      return new Topic<T>({
        ...open,
        codec: rangeCodec(options.codec, maxPayload(constants.capacity), operation),
        copies: constants.codec === codecNumbers.custom,
        ...(publishes !== undefined && { publishes }),
      });
    } catch (error) {
      open.memory.close(true);
      throw error;
    }
  }

  private constructor(parts: TopicParts<T>) {
    if (!parts?.memory) notConstructed('Topic', 'Topic.create() or Topic.open()');
    const { memory, constants, codec, publishes } = parts;
    this.#parts = parts;
    this.name = constants.name;
    this.capacity = constants.capacity;
    if (publishes === undefined) return;
    const role = new PublisherRole(memory, parseStrategy('topic.create'));
    const { capacity } = constants;
    this.#writer = new TopicWriter(role, { capacity, codec, patience: publishes });
    role.attach();
    this.#writer.wakeReaders();
    this.#stayOpen = atExit(code => code === 0 && this.#writer!.close());
  }

  /** For threads and children, where the topic has no name. */
  get handle(): TopicHandle {
    return { path: this.#parts.memory.address };
  }

  /** The longest encoded value, in bytes. */
  get maxLength(): number {
    return maxPayload(this.capacity);
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Writes one value, once for all readers, and wakes those that sleep. It is written whole, so
   * that any reader can begin with it.
   *
   * @returns false: it was not published, since it would overwrite what a reader that asked to be
   *   waited for has not read; {@link ready} says when to try again
   * @throws {ShmError} `ERR_TOO_LARGE` for more than {@link maxLength} bytes, `ERR_CLOSED`,
   *   `ERR_UNSUPPORTED` where the topic was opened to read, `ERR_RESERVED`, what the codec throws:
   *   nothing was published. `ERR_TRUNCATED`: the topic's file was cut
   */
  publish(value: T): boolean {
    return this.#publisher('publish').publish(value);
  }

  /**
   * The same for several values, which become visible together, or by quarters of the capacity.
   *
   * @returns how many were published, from the first on
   */
  publishBatch(values: readonly T[]): number {
    if (!Array.isArray(values)) {
      throw invalidArgument('topic.publishBatch', 'values', 'an array', values);
    }
    return this.#publisher('publishBatch').publishBatch(values);
  }

  /**
   * Reserves room for a record to be filled in place, without a copy. Until {@link commit} or
   * {@link abort} nothing else can be published.
   *
   * @param length bytes, at most {@link maxLength}
   * @returns the record's bytes as the codec would have made them, with whatever lay there before;
   *   not to be touched after the commit. Null: as `publish` says false
   */
  reserve(length: number): Uint8Array | null {
    return this.#publisher('reserve').reserve(length);
  }

  /**
   * Publishes what was reserved.
   *
   * @param length how much of it was used. @default all of it
   * @throws {ShmError} `ERR_NOT_RESERVED`, `ERR_OUT_OF_RANGE`
   */
  commit(length?: number): void {
    this.#publisher('commit').commit(length);
  }

  /** Gives the reserved room back; nothing is published. */
  abort(): void {
    this.#publisher('abort').abort();
  }

  /** Resolves once `publish` may succeed again. @throws {ShmError} (rejects) `ERR_CLOSED` */
  async ready(): Promise<void> {
    await this.#publisher('ready').ready();
  }

  /**
   * Begins to read, at a position of its own.
   *
   * @throws {ShmError} `ERR_TOO_MANY_READERS`; `ERR_OUT_OF_RANGE` where no record starts at the
   *   position `from`; `ERR_CLOSED`, `ERR_TRUNCATED`
   */
  subscribe(options: SubscribeOptions = {}): Subscription<T> {
    const operation = 'topic.subscribe';
    checkOptions(operation, options, subscribeRules);
    this.#checkOpen('subscribe');
    const { memory, codec, copies } = this.#parts;
    const cut = memory.cut(operation);
    if (cut) throw cut;
    const { from = 'now', whenBehind, follow = false } = options;
    if (typeof from === 'bigint' && from < 0n) {
      throw outOfRange(operation, 'from', 'a position of at least 0n', from);
    }
    const { spin, adapts } = parseAdaptive(operation, options.wait);
    const slot = new ReaderSlot(memory, spin, whenBehind === 'wait');
    try {
      const reader = new TopicReader(slot, this.capacity, from);
      const closed = () => this.#subscriptions.delete(subscription);
      const subscription: Subscription<T> = new Subscription<T>({
        ...{ slot, reader, codec, copies, adapts, follow, closed },
      });
      this.#subscriptions.add(subscription);
      return subscription;
    } catch (error) {
      slot.close();
      throw error;
    }
  }

  /**
   * The values of several topics as they come, in order for each topic, and each in its turn where
   * several have something. Leaving the loop closes the subscriptions, not the topics.
   *
   * @param options as for {@link subscribe}; a position makes no sense here
   */
  static merge<T>(
    topics: readonly Topic<T>[],
    options: Omit<SubscribeOptions, 'from'> & { from?: 'now' | 'oldest' } = {},
  ): AsyncIterableIterator<Merged<T>> {
    if (!Array.isArray(topics) || !(topics as unknown[]).every(isTopic)) {
      throw invalidArgument('topic.merge', 'topics', 'an array of topics', topics);
    }
    const sources: { name: string; subscription: Subscription<T> }[] = [];
    const close = () => {
      for (const { subscription } of sources) subscription.close();
    };
    try {
      for (const topic of topics as readonly Topic<T>[]) {
        sources.push({ name: topic.name, subscription: topic.subscribe(options) });
      }
    } catch (error) {
      close();
      throw error;
    }
    return merge(sources, close);
  }

  /** What is in the topic, and how far behind each reader is. @throws {ShmError} `ERR_CLOSED` */
  stats(): TopicStats {
    this.#checkOpen('stats');
    const { memory, constants } = this.#parts;
    const stats = readTopicStats(
      { words: memory.words, isLocked: lock => memory.isLocked(lock) },
      constants,
    );
    const fault = memory.fault('topic.stats');
    if (fault) throw fault;
    return stats;
  }

  /**
   * Closes the subscriptions made through this object, and, in the publisher, the topic: readers see
   * the end behind the last value. A second call does nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stayOpen();
    const inUse = [...this.#subscriptions].some(one => one.inUse);
    for (const subscription of [...this.#subscriptions]) subscription.close();
    this.#writer?.close();
    this.#parts.memory.close(!inUse);
  }

  /** {@link close}, at the end of `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #publisher(operation: string): TopicWriter<T> {
    if (this.#writer) return this.#writer;
    const detail = 'expected the topic of its publisher, from Topic.create; got one opened to read';
    throw new ShmError('ERR_UNSUPPORTED', detail, `topic.${operation}`, this.#parts.memory.address);
  }

  #checkOpen(operation: string): void {
    if (!this.#closed) return;
    const { address } = this.#parts.memory;
    throw new ShmError('ERR_CLOSED', 'the topic was closed', `topic.${operation}`, address);
  }
}

function isTopic(value: unknown): boolean {
  return isObject(value) && typeof (value as Partial<Topic>).subscribe === 'function';
}
