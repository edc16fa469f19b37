import { invalidArgument, type ShmError } from '../../errors.js';
import { clearImmediate } from '../../timers.js';
import { notConstructed } from '../../native/arguments.js';
import { atExit } from '../../native/at-exit.js';
import { rangeCodec } from '../codec/codec.js';
import type { RangeCodec } from '../codec/types.js';
import { iterate } from '../ring/iterate.js';
import { nextTurn } from '../ring/listener-scope.js';
import { MessageEmitter } from '../ring/message-emitter.js';
import { checkTimeout } from '../ring/wait-strategy.js';
import { decodeMessage, type Inlet, type MessageEnds } from './message-ends.js';
import { MessageRings } from './message-rings.js';
import { MessageWriter } from './message-writer.js';
import {
  type ChannelCreateOptions,
  type ChannelEvents,
  type ChannelHandle,
  type ChannelOptions,
  type ChannelOrigin,
} from './channel-options.js';
import { WaitRetry } from './wait-retry.js';

/** Messages handed out before the event loop gets its turn. */
const messagesPerTurn = 256;

/**
 * Whole messages both ways between two threads or processes: two rings in one region.
 *
 * Events, from the first listener for `message` on:
 * - `message` (value): in the order they were sent; while nobody listens, they wait
 * - `drain`: there is room again, after `send` said false
 * - `end`: the peer closed, or its process or thread ended with code 0, and all it had sent was
 *   delivered
 * - `error`: the peer died (`ERR_PEER_DIED`), after all it had sent was delivered; or the ring is
 *   corrupt (`ERR_CORRUPT`); `close` follows. Where no doorbell can be made for lack of file
 *   descriptors or memory, the errno name: then the channel goes on, slowly, until there is one;
 *   without a listener for `error` that is a warning
 * - `close`: this end is closed
 *
 * Listeners run in the asynchronous context in which the channel was made.
 *
 * @example
 * const channel = Channel.create<{ id: number }>();
 * child.send(channel.handle);             // there: Channel.open(handle)
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
  #flowing = false;
  /** A user's listener runs; still set where it threw. */
  #inListener = false;
  #turn: NodeJS.Immediate | undefined;
  readonly #retry: WaitRetry;
  #refed = true;
  /** A `drain` is due. */
  #awaitsRoom = false;
  readonly #stayOpen: () => void;
  #closing: Promise<void> | undefined;

  /** Makes a channel and takes its first end. @throws {ShmError} as {@link Ring.create} */
  static create<T = unknown>(options: ChannelCreateOptions<T> = {}): Channel<T> {
    return Channel.#over(MessageRings.inNewRegion(options), options);
  }

  /**
   * Takes the other end of a channel, which can be taken once.
   *
   * @throws {ShmError} `ENOENT` where it is gone, `ERR_ROLE_TAKEN` where somebody has or had
   *   that end, `ERR_CORRUPT`, `ERR_VERSION`
   */
  static open<T = unknown>(handle: ChannelHandle, options: ChannelOptions<T> = {}): Channel<T> {
    const path: unknown = handle?.path;
    if (typeof path !== 'string') {
      throw invalidArgument('channel.open', 'handle', 'the handle of a channel', handle);
    }
    return Channel.#over(MessageRings.inRegion(path, options), options);
  }

  static #over<T>(rings: MessageRings, { codec }: ChannelOptions<T>): Channel<T> {
    try {
      const handle = { path: rings.path, capacity: rings.capacity };
      return new Channel<T>(rings, rangeCodec(codec), { handle });
    } catch (error) {
      void rings.close();
      throw error;
    }
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
    this.#writer = new MessageWriter(ends.output, codec);
    this.#origin = origin;
    this.fallbackReason = origin.fallbackReason;
    this.transport = origin.fallbackReason === undefined ? 'shared-memory' : 'socket';
    ends.listen(
      (error, temporary) => this.scope.run(this.#received, error, temporary),
      (error, temporary) => this.scope.run(this.#drained, error, temporary),
    );
    this.#retry = new WaitRetry(
      () => {
        if (this.#awaitsRoom) this.#awaitRoom();
        if (this.#flowing) this.#receive();
      },
      error => this.emitPassing(error),
    );
    const { endsAtExit = true } = origin;
    this.#stayOpen = atExit(code => code === 0 && endsAtExit && ends.endAtExit());
  }

  /**
   * For the other end.
   *
   * @throws {ShmError} `ERR_UNSUPPORTED` for a channel that was dialled: it has both ends
   */
  get handle(): ChannelHandle {
    if (this.#origin.handle) return this.#origin.handle;
    throw this.#ends.error('ERR_UNSUPPORTED', 'handle', 'both ends of this channel are taken');
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Sends a value, unless the peer is so far behind that there is no room.
   *
   * @returns false: full, and the value was not sent; `drain` follows once there is room
   * @throws {ShmError} `ERR_TOO_LARGE`, `ERR_CLOSED`, `ERR_PEER_CLOSED`; and what the codec
   *   throws for a value that it rejects. Nothing was sent then.
   */
  send(value: T): boolean {
    if (this.#writer.tryWrite(value)) return true;
    if (this.#ends.peerEnded()) {
      throw this.#ends.error('ERR_PEER_CLOSED', 'send', 'the peer closed its end');
    }
    this.#awaitRoom();
    return false;
  }

  /**
   * Like {@link send}, but blocks this thread until there is room.
   *
   * @param timeout milliseconds; absent: no limit
   * @returns false: the time ran out and nothing was sent
   * @throws {ShmError} besides those of `send`: `ERR_PEER_DIED`
   */
  sendSync(value: T, timeout?: number): boolean {
    checkTimeout('channel.sendSync', timeout);
    return this.#writer.writeSync(value, timeout);
  }

  /**
   * Blocks this thread until there is a message; not beside `message` listeners.
   *
   * @param timeout milliseconds; absent: no limit
   * @returns the value; undefined: the peer closed, or the time ran out
   * @throws {ShmError} `ERR_PEER_DIED`, `ERR_CORRUPT`, `ERR_CLOSED`
   */
  receiveSync(timeout?: number): T | undefined {
    checkTimeout('channel.receiveSync', timeout);
    if (!this.#input.waitSync(timeout)) return undefined;
    let value: T | undefined;
    this.#input.drain((bytes, offset, length) => {
      value = decodeMessage(this.#input, this.#codec, bytes, offset, length);
    }, 1);
    return value;
  }

  /**
   * Resolves once `send` may succeed again; at once where it may now.
   *
   * @throws {ShmError} (rejects) `ERR_CLOSED`, `ERR_PEER_DIED`, `ERR_CORRUPT`
   */
  async ready(): Promise<void> {
    if (this.closed) throw this.#ends.error('ERR_CLOSED', 'ready', 'it is closed');
    if (this.#writer.hasRoom) return;
    this.#awaitRoom();
    await this.#writer.room();
  }

  /** While this end listens, it keeps the process alive; the default. */
  ref(): this {
    return this.#setRef(true);
  }

  /** This end no longer keeps the process alive. */
  unref(): this {
    return this.#setRef(false);
  }

  /** The messages as they come, until the peer closes; not beside `message` listeners. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return iterate(async options => {
      const record = await this.#input.read(options);
      if (record === null) return null;
      return { value: this.#codec.decode(Buffer.from(record.buffer), 0, record.length) };
    });
  }

  /**
   * Closes this end. What was sent is there for the peer to read; it sees `end` after that.
   * What the peer sent and was not read yet is dropped.
   *
   * @returns resolved once this process has nothing more to do for it: at once, but over a
   *   socket, when what was sent has left
   */
  close(): Promise<void> {
    if (this.#closing) return this.#closing;
    clearImmediate(this.#turn);
    this.#retry.stop();
    this.#stayOpen();
    const error = this.#ends.error('ERR_CLOSED', 'ready', 'the channel was closed');
    this.#writer.fail(error);
    this.#closing = this.#ends.close();
    void this.#closing.then(() =>
      nextTurn(() => {
        this.#origin.closed?.();
        this.scope.run(() => this.emit('close'));
      }),
    );
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  protected override startFlow(): void {
    if (this.#flowing || this.closed) return;
    this.#flowing = true;
    this.#receive();
  }

  readonly #received = (error?: ShmError, temporary = false): void => {
    if (temporary) return this.#retry.failed(error!, this.#refed);
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
    this.#awaitsRoom = false;
    this.#writer.roomCame();
    this.emit('drain');
  };

  /** In the next turn: what the last message's listener does by microtasks and ticks is done then. */
  #end(): void {
    this.#turn = nextTurn(() => {
      try {
        this.emit('end');
      } finally {
        void this.close();
      }
    });
  }

  #awaitRoom(): void {
    this.#awaitsRoom = true;
    this.#ends.awaitRoom(this.#writer.needed);
  }

  /** @internal What came is no message, or breaks the rules of this side; both get an `error`. */
  refuse(error: ShmError): void {
    if (this.closed) return;
    this.#ends.poison();
    this.#fail(error);
  }

  #fail(error: ShmError): void {
    this.#writer.fail(error);
    void this.close();
    nextTurn(() => this.emit('error', error));
  }

  #setRef(refed: boolean): this {
    this.#refed = refed;
    this.#ends.setRef(refed);
    return this;
  }
}
