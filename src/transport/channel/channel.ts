import { invalidArgument, type ShmError } from '../../errors.js';
import { clearImmediate } from '../../timers.js';
import { notConstructed } from '../../native/arguments.js';
import { atExit } from '../../native/at-exit.js';
import type { RangeCodec } from '../codec/types.js';
import { iterate } from '../ring/iterate.js';
import { nextTurn } from '../ring/listener-scope.js';
import { MessageEmitter } from '../ring/message-emitter.js';
import { WaitRetry } from '../ring/wait-retry.js';
import { checkTimeout } from '../ring/wait-strategy.js';
import { decodeMessage, type Inlet, type MessageEnds } from './message-ends.js';
import { MessageReader } from './message-reader.js';
import { MessageRings, type RingsOptions, type RingUse } from './message-rings.js';
import { MessageWriter } from './message-writer.js';
import { ringParts } from './ring-parts.js';
import {
  type ChannelCreateOptions,
  type ChannelEvents,
  type ChannelHandle,
  type ChannelOptions,
  type ChannelOrigin,
  defaultLimits,
} from './channel-options.js';

/** Messages handed out before the event loop gets its turn. */
const messagesPerTurn = 256;

/**
 * Whole messages both ways between two threads or processes: two rings in one region. A message of
 * any size up to `maxMessage` goes through. Its events are those of {@link ChannelEvents}; listeners
 * run in the asynchronous context in which the channel was made.
 *
 * @example
 * const channel = Channel.create<{ id: number }>();
 * child.send(channel.handle); // there: Channel.open(handle)
 * channel.on('message', value => console.log(value.id));
 * while (!channel.send({ id: 1 })) await channel.ready();
 */
export class Channel<T = unknown> extends MessageEmitter<ChannelEvents<T>> {
  /** Where its messages go; `socket` only after a handshake that found no memory to share. */
  readonly transport: 'shared-memory' | 'socket';
  /** Why it goes over a socket; undefined where it does not. */
  readonly fallbackReason: string | undefined;
  readonly #origin: ChannelOrigin;
  readonly #codec: RangeCodec<T>;
  readonly #ends: MessageEnds;
  readonly #input: Inlet;
  readonly #writer: MessageWriter<T>;
  readonly #reader: MessageReader<T>;
  #flowing = false;
  /** A user's listener runs; still set where it threw. */
  #inListener = false;
  #turn: NodeJS.Immediate | undefined;
  readonly #retry: WaitRetry;
  #refed = true;
  readonly #stayOpen: () => void;
  #closing: Promise<void> | undefined;

  /** Makes a channel and takes its first end. @throws {ShmError} as {@link Ring.create} */
  static create<T = unknown>(options: ChannelCreateOptions<T> = {}): Channel<T> {
    const create = (use: RingsOptions) => MessageRings.inNewRegion(use);
    return new Channel<T>(...ringParts('channel.create', options, create));
  }

  /**
   * Takes the other end of a channel, which can be taken once.
   * @throws {ShmError} `ENOENT` where it is gone, `ERR_ROLE_TAKEN` where somebody has or had
   *   that end, `ERR_CORRUPT`, `ERR_VERSION`
   */
  static open<T = unknown>(handle: ChannelHandle, options: ChannelOptions<T> = {}): Channel<T> {
    const path: unknown = handle?.path;
    if (typeof path !== 'string') {
      throw invalidArgument('channel.open', 'handle', 'the handle of a channel', handle);
    }
    const open = (use: RingUse) => MessageRings.inRegion(path, use);
    return new Channel<T>(...ringParts('channel.open', options, open));
  }

  /** @internal Use {@link Channel.create}, {@link Channel.open}, `listenChannel`, `dialChannel`. */
  static make<T>(ends: MessageEnds, codec: RangeCodec<T>, origin: ChannelOrigin): Channel<T> {
    return new Channel(ends, codec, origin);
  }

  private constructor(ends: MessageEnds, codec: RangeCodec<T>, origin: ChannelOrigin) {
    if (!ends?.input) notConstructed('Channel', 'Channel.create() or Channel.open(handle)');
    super(origin.scope ?? 'MMAP_CHANNEL');
    this.#ends = ends;
    this.#input = ends.input;
    this.#codec = codec;
    this.#writer = new MessageWriter(ends, codec, origin.limits ?? defaultLimits);
    this.#reader = new MessageReader(ends, codec);
    this.#origin = origin;
    this.fallbackReason = origin.fallbackReason;
    this.transport = origin.fallbackReason === undefined ? 'shared-memory' : 'socket';
    ends.listen(
      (error, temporary) => this.scope.run(this.#received, error, temporary),
      (error, temporary) => this.scope.run(this.#drained, error, temporary),
    );
    this.#retry = new WaitRetry(
      () => {
        this.#writer.awaitAgain();
        if (this.#flowing) this.#receive();
      },
      error => this.emitPassing(error),
    );
    // What was left of a long message has been sent by then, or could not be.
    const isOver = (code: number) => this.closed || (code === 0 && origin.endsAtExit !== false);
    this.#stayOpen = atExit(code => isOver(code) && ends.endAtExit());
  }

  /** For the other end. @throws {ShmError} `ERR_UNSUPPORTED`: it was dialled, and has both */
  get handle(): ChannelHandle {
    if (this.#origin.handle) return this.#origin.handle;
    throw this.#ends.error('ERR_UNSUPPORTED', 'handle', 'both ends of this channel are taken');
  }

  /** Whether this end was closed, by its user or since its peer ended or died. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Sends a copy of a value, unless the peer is so far behind that there is no room. One that takes
   * more than half the capacity is accepted once its first piece is in: the rest follows by itself,
   * and until then `send` says false.
   *
   * @returns false: full, and the value was not sent; `drain` follows once there is room
   * @throws {ShmError} `ERR_TOO_LARGE` for more than `maxMessage` bytes, `ERR_CLOSED`,
   *   `ERR_PEER_CLOSED`; and what the codec throws for a value that it rejects. Nothing was sent then.
   */
  send(value: T): boolean {
    if (this.#writer.tryWrite(value)) return true;
    this.#checkOpen('send');
    if (this.#ends.peerEnded()) {
      throw this.#ends.error('ERR_PEER_CLOSED', 'send', 'the peer closed its end');
    }
    this.#writer.awaitRoom();
    return false;
  }

  /**
   * Like {@link send}, but blocks this thread until there is room for all of the value.
   * @param timeout milliseconds; absent: no limit
   * @returns false: the time ran out and nothing was sent, also where a part was in the ring already
   * @throws {ShmError} besides those of `send`: `ERR_PEER_DIED`
   */
  sendSync(value: T, timeout?: number): boolean {
    this.#checkOpen('send');
    return this.#writer.writeSync(value, checkTimeout('channel.sendSync', timeout));
  }

  /**
   * Blocks this thread until there is a message; not beside `message` listeners.
   * @param timeout milliseconds; absent: no limit
   * @returns the value; undefined: the peer closed, or the time ran out
   * @throws {ShmError} `ERR_PEER_DIED`, `ERR_CORRUPT`, `ERR_CLOSED`; `ERR_PEER_CLOSED` where the
   *   peer gave up while it sent a long message
   */
  receiveSync(timeout?: number): T | undefined {
    checkTimeout('channel.receiveSync', timeout);
    return this.#reader.readSync(timeout);
  }

  /**
   * Resolves once `send` may succeed again.
   * @throws {ShmError} (rejects) `ERR_CLOSED`, `ERR_PEER_DIED`, `ERR_CORRUPT`
   */
  async ready(): Promise<void> {
    this.#checkOpen('ready');
    await this.#writer.ready();
  }

  /** @internal A long message that is not wholly sent, encoded; it goes another way. */
  takeUnsent(): Buffer | undefined {
    return this.#writer.takeUnsent();
  }

  /** Keeps the process alive while `message` has a listener (dialled: until `close`); the default. */
  ref(): this {
    return this.#setRef(true);
  }

  /** This end no longer keeps the process alive. */
  unref(): this {
    return this.#setRef(false);
  }

  /** The messages as they come, until the peer closes; not beside `message` listeners. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return iterate(options => this.#reader.read(options));
  }

  /**
   * Closes this end. What was sent is there for the peer to read; it sees `end` after that.
   * What the peer sent and was not read yet is dropped.
   * @returns resolved once this process has nothing more to do for it: at once, but over a
   *   socket, when what was sent has left; and while a long message is on its way, once the peer has
   *   taken it, or has not for `closeTimeout`: its channel fails with `ERR_PEER_CLOSED` then
   */
  close(): Promise<void> {
    if (this.#closing) return this.#closing;
    clearImmediate(this.#turn);
    this.#writer.fail(this.#ends.error('ERR_CLOSED', 'ready', 'the channel was closed'));
    const rest = this.#writer.rest();
    if (rest) this.#ends.stopReading();
    this.#closing = rest ? rest.then(() => this.#closeEnds()) : this.#closeEnds();
    void this.#closing.then(() =>
      nextTurn(() => {
        this.#origin.closed?.();
        this.scope.run(() => this.emit('close'));
      }),
    );
    return this.#closing;
  }

  #checkOpen(operation: string): void {
    if (this.closed) throw this.#ends.error('ERR_CLOSED', operation, 'the channel was closed');
  }

  #closeEnds(): Promise<void> {
    this.#retry.stop();
    this.#stayOpen();
    return this.#ends.close();
  }

  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  protected override startFlow(): void {
    if (this.#flowing || this.closed) return;
    this.#flowing = true;
    this.#receive();
  }

  /** @internal */
  protected override listeningChanged(): void {
    this.#ends.setRef(this.#refed, this.listening);
  }

  readonly #received = (error?: ShmError, temporary = false): void => {
    if (temporary) return this.#retry.failed(error!, this.#refed && this.listening);
    if (error) return this.#fail(error);
    this.#retry.succeeded();
    this.#receive();
  };

  /** Hands out what is there, a turn's worth, then waits for more. */
  #receive(): void {
    this.#turn = undefined;
    if (this.closed) return;
    let count = 0;
    try {
      if (this.listening) count = this.#input.drain(this.#deliver, messagesPerTurn);
    } catch (error) {
      if (this.#inListener) throw error;
      return this.refuse(error as ShmError);
    } finally {
      // A listener threw, which is its owner's affair: the rest comes in the next turn.
      if (this.#inListener) this.#again();
      this.#inListener = false;
    }
    if (this.closed) return;
    if (count === messagesPerTurn) this.#again();
    else if (this.#input.ended) this.#end();
    else if (this.listening || !this.#input.ready()) this.#ends.awaitInput();
    else this.#flowing = false;
  }

  /** @returns false: no more for now */
  readonly #deliver = (bytes: Buffer, offset: number, length: number): boolean => {
    const value = decodeMessage(this.#input, this.#codec, bytes, offset, length);
    this.#inListener = true;
    this.emit('message', value);
    this.#inListener = false;
    return this.listening && !this.closed;
  };

  #again(): void {
    if (!this.closed) this.#turn = nextTurn(() => this.#receive());
  }

  readonly #drained = (error?: ShmError, temporary = false): void => {
    if (temporary) return this.#retry.failed(error!, this.#refed);
    if (error) return this.#fail(error);
    let isDue: boolean;
    try {
      isDue = this.#writer.roomCame();
    } catch (cause) {
      return this.#fail(cause as ShmError);
    }
    if (isDue && !this.closed) this.emit('drain');
  };

  /** In the next turn: what the last message's listener does by microtasks and ticks is done then. */
  #end(): void {
    this.#turn = nextTurn(() => {
      const cut = this.#reader.cut();
      if (cut) return this.#fail(cut);
      try {
        this.emit('end');
      } finally {
        void this.close();
      }
    });
  }

  /** @internal What came is no message, or breaks the rules of this side; both get an `error`. */
  refuse(error: ShmError): void {
    if (this.closed) return;
    this.#ends.poison();
    this.#fail(error);
  }

  #fail(error: ShmError): void {
    this.#writer.fail(error);
    this.#writer.drop();
    if (this.closed) return;
    void this.close();
    nextTurn(() => this.emit('error', error));
  }

  #setRef(refed: boolean): this {
    this.#refed = refed;
    this.#ends.setRef(refed, this.listening);
    return this;
  }
}
