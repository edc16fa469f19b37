import type { ShmError } from '../../errors.js';
import { checkOptions, anAbortSignal, notConstructed } from '../../native/arguments.js';
import { clearImmediate, now } from '../../timers.js';
import { waitSync } from '../ring/blocking-wait.js';
import { iterate } from '../ring/iterate.js';
import { nextTurn } from '../ring/listener-scope.js';
import { LoopWaiter } from '../ring/loop-waiter.js';
import { MessageEmitter } from '../ring/message-emitter.js';
import { aTimeout } from '../ring/option-rules.js';
import type { WaitOptions } from '../ring/wait-queue.js';
import { WaitRetry } from '../ring/wait-retry.js';
import { checkTimeout } from '../ring/wait-strategy.js';
import { EndWatch } from './end-watch.js';
import type { EndReason, SubscriptionEvents } from './options.js';
import { PendingReads } from './pending-reads.js';
import { none, type TopicReader } from './reader.js';
import type { ReaderSlot } from './reader-slot.js';
import type { SubscriptionParts } from './subscription-parts.js';
import { ValueReader } from './value-reader.js';

/** Messages handed out before the event loop gets its turn. */
const messagesPerTurn = 256;

const waitRules = { signal: anAbortSignal, timeout: aTimeout };

/**
 * One reader of a topic, at its own position. Take what comes by events, by `for await`, or by
 * {@link readSync} and {@link drain}; in one of these ways at a time.
 *
 * @example
 * const ticks = Topic.open<{ price: number }>('ticks').subscribe();
 * ticks.on('gap', ({ records }) => console.log('missed', records));
 * for await (const { price } of ticks) console.log(price);
 */
export class Subscription<T = unknown> extends MessageEmitter<SubscriptionEvents<T>> {
  readonly #slot: ReaderSlot;
  readonly #reader: TopicReader;
  readonly #values: ValueReader<T>;
  readonly #follow: boolean;
  readonly #onClosed: () => void;
  readonly #waiter: LoopWaiter;
  readonly #retry: WaitRetry;
  readonly #end: EndWatch;
  readonly #reads = new PendingReads();
  #flowing = false;
  #inListener = false;
  #draining = false;
  #turn: NodeJS.Immediate | undefined;
  #refed = true;

  /** @internal Use {@link Topic.subscribe}. */
  constructor(parts: SubscriptionParts<T>) {
    if (!parts?.reader) notConstructed('Subscription', 'topic.subscribe()');
    super('MMAP_SUBSCRIPTION');
    this.#slot = parts.slot;
    this.#reader = parts.reader;
    this.#values = new ValueReader(parts);
    this.#follow = parts.follow;
    this.#onClosed = parts.closed;
    this.#end = new EndWatch(this.#slot, this.#reader, parts.follow);
    this.#waiter = new LoopWaiter(
      this.#slot,
      this.#end.ready,
      (error, temporary) => this.scope.run(this.#woken, error, temporary),
      parts.adapts,
    );
    this.#retry = new WaitRetry(
      () => this.scope.run(this.#woken),
      error => this.emitPassing(error),
    );
  }

  /**
   * Where the next record starts, in bytes since the topic was made. Store it, and go on from there
   * with `from`, in this process or another one, as long as the topic exists.
   */
  get position(): bigint {
    return BigInt(this.#reader.position);
  }

  /** Why nothing comes any more; undefined: something may. */
  get ended(): EndReason | undefined {
    return this.#end.reason;
  }

  /** Whether `close()` was called, or an error or the end has closed it. */
  get closed(): boolean {
    return this.#slot.closed;
  }

  /** @internal Copies that were thrown away, since they were overwritten meanwhile. */
  get discarded(): number {
    return this.#reader.discarded;
  }

  /**
   * Blocks this thread until there is a record. `gap` listeners are called before it returns.
   *
   * @param timeout milliseconds; absent: no limit
   * @returns the value; undefined: the time ran out, or the topic has {@link ended}
   * @throws {ShmError} `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_TRUNCATED`
   */
  readSync(timeout?: number): T | undefined {
    const limit = checkTimeout('subscription.readSync', timeout);
    const start = limit > 0 && limit < Number.POSITIVE_INFINITY ? now() : 0;
    for (;;) {
      const next = this.tryTake();
      if (next) return next.value;
      if (this.#end.hasEnded() || limit === 0) return undefined;
      try {
        const left = start === 0 ? limit : Math.max(0, limit - (now() - start));
        if (!waitSync(this.#slot, 'readSync', this.#end.ready, left)) return undefined;
      } catch (error) {
        if ((error as ShmError).code !== 'ERR_PEER_DIED') throw error;
        this.#end.died();
        if (!this.#follow) return undefined;
      }
    }
  }

  /**
   * Hands out what is there where it lies, without copying. It may be overwritten while the handler
   * looks at it: then this throws, after the handler has returned.
   *
   * @param handler gets the record area, and where in it the record is; valid during the call only.
   *   False ends the drain after this record.
   * @param limit records at most. @default all, up to a capacity's worth
   * @returns how many there were
   * @throws {ShmError} `ERR_OVERRUN`: the last record that the handler got was overwritten meanwhile;
   *   the next call goes on behind a gap. `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_TRUNCATED`
   */
  drain(
    handler: (bytes: Buffer, offset: number, length: number) => unknown,
    limit = Number.POSITIVE_INFINITY,
  ): number {
    this.#checkOpen('drain');
    this.#draining = true;
    let count: number;
    try {
      count = this.#values.drain(handler, limit, this.#goesOn);
    } finally {
      this.#draining = false;
      if (!this.closed) this.#reader.note();
    }
    this.#slot.checkMemory('drain');
    return count;
  }

  /** Tells a gap before the record behind it. @returns whether anything may be read on */
  readonly #goesOn = (): boolean => {
    if (!this.closed && this.#reader.hasGap) this.#tellGap();
    return !this.closed;
  };

  /** @internal The next record if there is one; nothing waits. */
  tryTake(): { readonly value: T } | undefined {
    this.#checkOpen('read');
    const reader = this.#reader;
    for (;;) {
      const length = reader.next();
      if (length === none) return undefined;
      if (reader.hasGap && !this.#goesOn()) return undefined;
      const value = this.#values.read(length);
      if (value === undefined) {
        reader.lap();
        continue;
      }
      this.#slot.checkMemory('read');
      reader.advance();
      return value;
    }
  }

  /** @internal Resolves once there is a record, or the end. */
  async readable(options: WaitOptions = {}): Promise<void> {
    checkOptions('subscription.read', options, waitRules);
    this.#checkOpen('read');
    options.signal?.throwIfAborted();
    if (this.#end.ready()) return;
    const read = this.#reads.add(options, () => !this.#flowing && this.#waiter.stop());
    this.#waiter.start();
    await read;
  }

  /** @internal The publisher is gone, and all is read. */
  isOver(): boolean {
    return this.closed || this.#end.hasEnded();
  }

  /** @internal The next one; null: the end, or the time ran out. */
  async read(options?: WaitOptions): Promise<{ readonly value: T } | null> {
    for (;;) {
      if (this.closed && this.#end.reason) return null;
      const next = this.tryTake();
      if (next) return next;
      if (this.#end.hasEnded()) return null;
      await this.readable(options);
    }
  }

  /** The values as they come, until the topic ends; `gap` is an event. Not beside `message`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return iterate(options => this.read(options));
  }

  /** While this subscription waits, it keeps the process alive; the default. */
  ref(): this {
    return this.#setRef(true);
  }

  /** It no longer keeps the process alive. */
  unref(): this {
    return this.#setRef(false);
  }

  #setRef(refed: boolean): this {
    this.#refed = refed;
    this.#waiter.setRef(refed);
    return this;
  }

  /** Gives up the place in the topic. A second call does nothing. */
  close(): void {
    if (this.closed) return;
    clearImmediate(this.#turn);
    this.#retry.stop();
    this.#waiter.close();
    this.#reader.note();
    this.#slot.close();
    this.#reads.reject(this.#slot.error('ERR_CLOSED', 'read', 'the subscription was closed'));
    this.#onClosed();
    nextTurn(() => this.scope.run(() => this.emit('close')));
  }

  /** {@link close}, at the end of `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Somebody looks at records in place. */
  get inUse(): boolean {
    return this.#draining;
  }

  /** @internal */
  protected override startFlow(): void {
    if (this.#flowing || this.closed) return;
    this.#flowing = true;
    this.#receive();
  }

  #checkOpen(operation: string): void {
    if (!this.closed) return;
    throw this.#slot.error('ERR_CLOSED', operation, 'the subscription was closed');
  }

  readonly #woken = (error?: ShmError, temporary = false): void => {
    if (temporary) return this.#retry.failed(error!, this.#refed);
    this.#retry.succeeded();
    if (error && error.code !== 'ERR_PEER_DIED') return this.#fail(error);
    if (error) {
      if (!this.#end.died()) return this.#waiter.start();
      if (this.#flowing) return this.#tellEnd();
    }
    this.#reads.resolve();
    if (this.#flowing) this.#receive();
  };

  /** Hands out what is there, a turn's worth, then waits for more. */
  #receive(): void {
    this.#turn = undefined;
    if (this.closed) return;
    let count = 0;
    try {
      for (; this.listening && !this.closed && count < messagesPerTurn; count++) {
        const next = this.tryTake();
        if (!next) break;
        this.#inListener = true;
        this.emit('message', next.value);
        this.#inListener = false;
      }
    } catch (error) {
      if (this.#inListener) throw error;
      return this.#fail(error as ShmError);
    } finally {
      // A listener threw, which is its owner's affair: the rest comes in the next turn.
      if (this.#inListener) this.#again();
      this.#inListener = false;
    }
    if (this.closed) return;
    if (count === messagesPerTurn) return this.#again();
    this.#flowing = this.listening;
    if (!this.#flowing) return;
    if (this.#end.isNew()) this.#tellEnd();
    else this.#waiter.start();
  }

  #again(): void {
    if (!this.closed) this.#turn = nextTurn(() => this.scope.run(() => this.#receive()));
  }

  #tellGap(): void {
    const gap = this.#reader.takeGap()!;
    this.#inListener = true;
    this.scope.run(() => this.emit('gap', gap));
    this.#inListener = false;
  }

  /** In the next turn: what the last message's listener does by microtasks and ticks is done then. */
  #tellEnd(): void {
    const reason = this.#end.reason!;
    this.#turn = nextTurn(() =>
      this.scope.run(() => {
        try {
          this.emit('end', reason);
        } finally {
          if (!this.#follow) this.close();
          else if (!this.closed) this.#again();
        }
      }),
    );
  }

  #fail(error: ShmError): void {
    this.#reads.reject(error);
    if (this.closed || !this.#flowing) return;
    this.close();
    nextTurn(() => this.scope.run(() => this.emit('error', error)));
  }
}
