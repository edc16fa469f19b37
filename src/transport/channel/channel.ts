import { EventEmitter } from 'node:events';
import { ShmError } from '../../errors.js';
import { Region } from '../../native/region.js';
import { rangeCodec } from '../codec/codec.js';
import type { CodecOption, RangeCodec } from '../codec/types.js';
import { checkCapacity, ringHeaderBytes } from '../ring/layout.js';
import { halves } from '../ring/memory.js';
import type { Inlet, MessageEnds, Outlet } from './message-ends.js';
import { MessageRings } from './message-rings.js';
import type { WaitStrategy } from '../ring/wait.js';

export interface ChannelOptions<T> {
  /** Turns values into bytes and back; the same at both ends. @default 'structured' */
  codec?: CodecOption<T>;
  /** How this end waits. @default 'park' */
  wait?: WaitStrategy;
}

export interface ChannelCreateOptions<T> extends ChannelOptions<T> {
  /** Bytes each direction holds: a power of two from 4 KiB to 1 GiB. @default 1 MiB */
  capacity?: number;
  /** Directory of the region. @default the per-user region directory */
  directory?: string;
}

/** How the other end finds a channel: plain data, as a ring's handle. */
export interface ChannelHandle {
  readonly path: string;
  readonly capacity: number;
}

export interface ChannelEvents<T> {
  message: [value: T];
  drain: [];
  end: [];
  close: [];
  error: [error: Error];
}

/** @internal Bytes that each direction holds where nobody asks for anything. */
export const defaultCapacity = 1024 * 1024;

/** Messages handed out before the event loop gets its turn. */
const messagesPerTurn = 256;

/**
 * Whole messages both ways between two threads or processes: two rings in one region.
 *
 * Events, as long as there is a listener for `message`:
 * - `message` (value): in the order they were sent
 * - `drain`: there is room again, after `send` said false
 * - `end`: the peer closed, and all it had sent was delivered
 * - `error`: the peer died (`ERR_PEER_DIED`), after all it had sent was delivered; or the
 *   ring is corrupt (`ERR_CORRUPT`); `close` follows
 * - `close`: this end is closed
 *
 * @example
 * const channel = Channel.create<{ id: number }>();
 * child.send(channel.handle);             // there: Channel.open(handle)
 * channel.on('message', value => …);
 * if (!channel.send({ id: 1 })) await channel.ready();
 */
export class Channel<T = unknown> extends EventEmitter<ChannelEvents<T>> {
  /** Where its messages go; `socket` only after a handshake that found no memory to share. */
  readonly transport: 'shared-memory' | 'socket';
  /** Why it goes over a socket; undefined where it does not. */
  readonly fallbackReason: string | undefined;
  readonly #handle: ChannelHandle | undefined;
  readonly #codec: RangeCodec<T>;
  readonly #ends: MessageEnds;
  readonly #output: Outlet;
  readonly #input: Inlet;
  #needed = 0;
  /** Calls of `ready` that wait for room. */
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #flowing = false;
  #turn: NodeJS.Immediate | undefined;
  #inputEnded = false;
  #closing: Promise<void> | undefined;

  /** Makes a channel and takes its first end. @throws {ShmError} as {@link Ring.create} */
  static create<T = unknown>(options: ChannelCreateOptions<T> = {}): Channel<T> {
    const { capacity = defaultCapacity, directory } = options;
    checkCapacity('channel.create', capacity);
    const bytes = 2 * (ringHeaderBytes + capacity);
    const region = Region.create({ bytes, kind: 'ring', ...(directory && { directory }) });
    return Channel.#build(region, options, () => {
      const [output, input] = halves(region);
      return MessageRings.create(output, input, capacity, options.wait);
    });
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
      throw new ShmError('ERR_INVALID_ARG', 'expected a channel handle', 'channel.open');
    }
    const region = Region.open(path);
    return Channel.#build(region, options, () => {
      const [input, output] = halves(region);
      return MessageRings.open(output, input, options.wait);
    });
  }

  /** Gives the region back where its rings cannot be taken. */
  static #build<T>(region: Region, options: ChannelOptions<T>, take: () => MessageRings) {
    let ends: MessageRings | undefined;
    try {
      ends = take();
      const handle = { path: region.path, capacity: ends.output.records.length };
      return new Channel<T>(ends.own(region), rangeCodec(options.codec), { handle });
    } catch (error) {
      void ends?.close();
      region.close();
      throw error;
    }
  }

  /** @internal Use {@link Channel.create}, {@link Channel.open}, `listenChannel`, `dialChannel`. */
  constructor(
    ends: MessageEnds,
    codec: RangeCodec<T>,
    origin: { handle?: ChannelHandle; fallbackReason?: string | undefined },
  ) {
    super();
    this.#ends = ends;
    this.#output = ends.output;
    this.#input = ends.input;
    this.#codec = codec;
    this.#handle = origin.handle;
    this.fallbackReason = origin.fallbackReason;
    this.transport = origin.fallbackReason === undefined ? 'shared-memory' : 'socket';
    ends.listen(
      error => (error ? this.#fail(error) : this.#receive()),
      error => (error ? this.#fail(error) : this.#drained()),
    );
    (this as EventEmitter).on('newListener', (event: string) => {
      // In a later turn, so that a listener for 'end' or 'error' can be added beside it.
      if (event === 'message') queueMicrotask(() => this.#flow());
    });
  }

  /**
   * For the other end.
   *
   * @throws {ShmError} `ERR_UNSUPPORTED` for a channel that was dialled: it has both ends
   */
  get handle(): ChannelHandle {
    if (this.#handle) return this.#handle;
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
   *   throws for a value that it does not take. Nothing was sent then.
   */
  send(value: T): boolean {
    if (this.#trySend(value)) return true;
    if (this.#ends.peerEnded()) {
      throw this.#ends.error('ERR_PEER_CLOSED', 'send', 'the peer closed its end');
    }
    this.#ends.awaitRoom(this.#needed);
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
    if (this.#trySend(value)) return true;
    // Encoded once, not once per look; no other encoding comes in between.
    if (!this.#output.writeSync(this.#codec.encode(value), timeout)) return false;
    this.#codec.sent?.();
    return true;
  }

  /**
   * Blocks this thread until there is a message; not beside `message` listeners.
   *
   * @returns the value; undefined: the peer closed, or the time ran out
   * @throws {ShmError} `ERR_PEER_DIED`, `ERR_CORRUPT`, `ERR_CLOSED`
   */
  receiveSync(timeout?: number): T | undefined {
    if (!this.#input.waitSync(timeout)) return undefined;
    let value: T | undefined;
    this.#input.drain((bytes, offset, length) => {
      value = this.#codec.decode(bytes, offset, offset + length);
    }, 1);
    return value;
  }

  /** Resolves once `send` may succeed again; at once where it may now. */
  ready(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (this.closed) throw this.#ends.error('ERR_CLOSED', 'ready', 'it is closed');
      if (this.#output.hasRoom(this.#needed)) return resolve();
      this.#waiters.push({ resolve, reject });
      this.#ends.awaitRoom(this.#needed);
    });
  }

  /** While this end listens, it keeps the process alive; the default. */
  ref(): this {
    return this.#setRef(true);
  }

  /** This end no longer keeps the process alive. */
  unref(): this {
    return this.#setRef(false);
  }

  /** The messages as they come, until the peer closes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const record = await this.#input.read();
      if (record === null) return;
      yield this.#codec.decode(Buffer.from(record.buffer), 0, record.length);
    }
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
    const error = this.#ends.error('ERR_CLOSED', 'ready', 'the channel was closed');
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    this.#closing = this.#ends.close();
    void this.#closing.then(() => setImmediate(() => this.emit('close')));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #trySend(value: T): boolean {
    const codec = this.#codec;
    const output = this.#output;
    const start = codec.inPlace > 0 ? output.tryReserveRange(codec.inPlace) : -1;
    if (start < 0) return this.#write(codec.encode(value));
    let encoded: number | Uint8Array;
    try {
      encoded = codec.encodeInto(value, output.records, start, start + output.reserved);
    } catch (error) {
      output.abort();
      throw error;
    }
    if (typeof encoded === 'number') {
      output.commit(encoded);
      codec.sent?.();
      return true;
    }
    output.abort();
    return this.#write(encoded);
  }

  #write(bytes: Uint8Array): boolean {
    if (this.#output.tryWrite(bytes)) {
      this.#codec.sent?.();
      return true;
    }
    this.#needed = bytes.length;
    return false;
  }

  #flow(): void {
    if (this.#flowing || this.closed) return;
    this.#flowing = true;
    this.#receive();
  }

  /** Hands out what is there, a turn's worth, then waits for more. */
  #receive(): void {
    this.#turn = undefined;
    if (this.closed) return;
    let count: number;
    try {
      count = this.#input.drain(this.#deliver, messagesPerTurn);
    } catch (error) {
      if (error instanceof ShmError && error.code === 'ERR_CORRUPT') {
        this.#ends.poison();
        return this.#fail(error);
      }
      // A listener threw: the rest comes in the next turn, and the error is its owner's.
      this.#again();
      throw error;
    }
    if (this.closed) return;
    if (count === messagesPerTurn) this.#again();
    else if (this.#input.ended) this.#end();
    else this.#ends.awaitInput();
  }

  readonly #deliver = (bytes: Buffer, offset: number, length: number) => {
    if (this.closed) return;
    this.emit('message', this.#codec.decode(bytes, offset, offset + length));
  };

  #again(): void {
    this.#turn = setImmediate(() => this.#receive());
  }

  #drained(): void {
    for (const { resolve } of this.#waiters.splice(0)) resolve();
    this.emit('drain');
  }

  #end(): void {
    if (this.#inputEnded) return;
    this.#inputEnded = true;
    this.emit('end');
    void this.close();
  }

  #fail(error: ShmError): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    void this.close();
    this.emit('error', error);
  }

  #setRef(refed: boolean): this {
    this.#ends.setRef(refed);
    return this;
  }
}
