import { EventEmitter } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { invalidArgument } from '../../errors.js';
import {
  aBoolean,
  aDirectory,
  checkOptions,
  notConstructed,
  type Rule,
} from '../../native/arguments.js';
import { nextTick } from '../../timers.js';
import { checkCapacity } from '../ring/layout.js';
import { aCapacity, aTimeout, aWaitStrategy } from '../ring/option-rules.js';
import type { WaitStrategy } from '../ring/wait-strategy.js';
import type { Address } from './address.js';
import { aCount, type DropReason, type HandshakeLimits, handshakeRules } from './admission.js';
import { Arrivals } from './arrivals.js';
import type { Link } from './handshake.js';
import type { LinkKind, RingPair } from './sharing.js';
import { LinkServer } from './server.js';

/** What `listen` and `listenChannel` have in common. */
export interface LinkListenOptions {
  /**
   * Bytes each direction of a connection holds: a power of two from 4 KiB to 1 GiB. Where
   * both sides ask for one, the smaller counts. @default what the dialer asks for, up to
   * 16 MiB, or 256 KiB for a `Conn`, 1 MiB for a `Channel`
   */
  capacity?: number;
  /** How this end of the connections waits. @default 'park' */
  wait?: WaitStrategy;
  /** Directory of the connections' memory. @default the per-user region directory */
  directory?: string;
  /** Milliseconds a peer has for the handshake, as `handshakes.timeout`. @default 5000 */
  handshakeTimeout?: number;
  /**
   * What peers that have not finished their handshake may take. Where a bound is reached, the
   * oldest of them is given up, with `drop`; an honest one dials again by itself.
   */
  handshakes?: HandshakeLimits;
  /** See {@link Listener.maxConnections}. @default no limit */
  maxConnections?: number;
  /** False: connections go over sockets only. @default true */
  sharedMemory?: boolean;
  /** Peers that may wait to be accepted. @default 511 */
  backlog?: number;
}

export const listenRules = {
  capacity: aCapacity,
  wait: aWaitStrategy,
  directory: aDirectory,
  handshakeTimeout: aTimeout,
  handshakes: (operation, _name, value) => checkOptions(operation, value as object, handshakeRules),
  maxConnections: aCount,
  sharedMemory: aBoolean,
  backlog: aCount,
} satisfies Record<keyof LinkListenOptions, Rule>;

/** A peer that was turned away because a bound is reached; addresses as of a `net.Socket`. */
export interface DropData {
  /** `connections`: {@link Listener.maxConnections}; else a bound of `handshakes`. */
  readonly reason: DropReason;
  /** The end here. */
  readonly localAddress?: string | undefined;
  /** The end here. */
  readonly localPort?: number | undefined;
  /** The end here. */
  readonly localFamily?: string | undefined;
  /** The peer's. */
  readonly remoteAddress?: string | undefined;
  /** The peer's. */
  readonly remotePort?: number | undefined;
  /** The peer's. */
  readonly remoteFamily?: string | undefined;
}

/** The events of a {@link Listener}, with what their listeners are given. */
export interface ListenerEvents<C> {
  /** A peer has connected, and the connection is ready to use. */
  connection: [connection: C];
  /** A peer that failed the handshake; it was told why, and nothing is left of it. */
  clientError: [error: Error];
  /** A peer was turned away, because a bound is reached. */
  drop: [data: DropData];
  /** No peer can be accepted at the moment: the errno name (`EMFILE`). It goes on listening. */
  error: [error: Error];
  /** It and all its connections are closed. */
  close: [];
}

/** What a listener needs of its server. */
type Links = Pick<LinkServer<never>, 'close' | 'server' | 'pending'>;

/**
 * Emits `connection` for each peer that connects; `close` once it and all its connections
 * are closed, like a `net.Server`. Made by {@link listen} and {@link listenChannel}.
 *
 * @example
 * await using listener = await listen({ port: 0 }, { maxConnections: 100 });
 * listener.on('drop', ({ reason }) => console.warn('turned away:', reason));
 * for await (const conn of listener) conn.end('hello');
 */
export class Listener<C> extends EventEmitter<ListenerEvents<C>> {
  /**
   * Connections there may be at one time; a peer beyond them is told so (its dial is rejected
   * with `ECONNREFUSED`), and `drop` is emitted. Handshakes under way count: the oldest gives
   * way. Can be changed at any time.
   */
  maxConnections: number | undefined;
  readonly #links: Links;
  readonly #connections = new Set<C>();
  /** Of the loops that take connections. */
  readonly #loops = new Set<Arrivals<C>>();
  #closing: Promise<void> | undefined;
  #resolve: (() => void) | undefined;
  #dropped = 0;
  /** The last socket is closed, those of refused peers included. */
  #drained = false;
  /** All its connections are closed as well. */
  #closed = false;

  /** @internal Use `listen` or `listenChannel`. */
  static async open<C, E extends RingPair>(
    address: Address,
    kind: LinkKind<E>,
    options: LinkListenOptions,
    connect: (link: Link<E>, closed: () => void) => C,
  ): Promise<Listener<C>> {
    const { capacity, maxConnections } = options;
    if (capacity !== undefined) checkCapacity('listen', capacity);
    const links: LinkServer<E> = new LinkServer(kind, options, {
      link: link => listener.#add(closed => connect(link, closed)),
      refused: error => listener.emit('clientError', error),
      // EMFILE, say, which a peer can bring about: without a listener it must not end the process.
      failed: error => {
        listener.emit(listener.listenerCount('error') > 0 ? 'error' : 'clientError', error);
      },
      dropped: (socket, reason) => listener.#drop(socket, reason),
      room: () => listener.#room(),
    });
    const listener: Listener<C> = new Listener<C>(links, maxConnections);
    await links.listen(address);
    return listener;
  }

  private constructor(links: Links, maxConnections: number | undefined) {
    super();
    if (!links?.server) notConstructed('Listener', 'listen(address) or listenChannel(address)');
    this.#links = links;
    this.maxConnections = maxConnections;
    links.server.on('close', () => {
      this.#drained = true;
      this.#settle();
    });
  }

  /** The path, or the TCP address with its port; null once closed. */
  address(): AddressInfo | string | null {
    return this.listening ? this.#links.server.address() : null;
  }

  /** Whether peers are accepted: until `close()`. */
  get listening(): boolean {
    return this.#links.server.listening;
  }

  /** Connections that are open. */
  get connections(): ReadonlySet<C> {
    return this.#connections;
  }

  /** Peers turned away because a bound was reached: as many as there were `drop` events. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#links.pending;
  }

  /** Calls back with the number of open connections, as `net.Server` does. */
  getConnections(callback: (error: Error | null, count: number) => void): this {
    nextTick(() => callback(null, this.#connections.size));
    return this;
  }

  /** The listener keeps the process alive; the default. */
  ref(): this {
    this.#links.server.ref();
    return this;
  }

  /** The listener no longer keeps the process alive; its connections still do. */
  unref(): this {
    this.#links.server.unref();
    return this;
  }

  /**
   * The connections as they come, until the listener and all of them are closed. What passes, for
   * example that nobody can be accepted for lack of file descriptors, does not end the loop. A loop
   * that is left closes nothing: connections that it had not taken yet stay in {@link connections}.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<C> {
    const loop = new Arrivals<C>(over => this.#loops.delete(over));
    if (this.#closed) loop.end();
    else this.#loops.add(loop);
    return loop;
  }

  /**
   * Accepts nobody any more. Connections stay open until they close.
   *
   * @returns resolved once all of them have
   */
  close(): Promise<void> {
    this.#closing ??= new Promise(resolve => {
      this.#resolve = resolve;
      this.#links.close();
    });
    return this.#closing;
  }

  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @param connect calls `closed` when the connection is; a user may remove or count listeners */
  #add(connect: (closed: () => void) => C): void {
    const connection = connect(() => {
      this.#connections.delete(connection);
      this.#settle();
    });
    this.#connections.add(connection);
    for (const loop of this.#loops) loop.add(connection);
    this.emit('connection', connection);
  }

  #room(): number {
    return (this.maxConnections ?? Number.POSITIVE_INFINITY) - this.#connections.size;
  }

  #drop(socket: Socket, reason: DropReason): void {
    this.#dropped++;
    const { localAddress, localPort, localFamily, remoteAddress, remotePort, remoteFamily } =
      socket;
    const from = { remoteAddress, remotePort, remoteFamily };
    this.emit('drop', { reason, localAddress, localPort, localFamily, ...from });
  }

  /** In a tick of its own: the last connection's own 'close' comes first. */
  #settle(): void {
    if (!this.#drained || this.#connections.size > 0) return;
    this.#closed = true;
    nextTick(() => {
      this.#resolve?.();
      for (const loop of this.#loops) loop.end();
      this.#loops.clear();
      this.emit('close');
    });
  }
}

/** Before anything is made: a wrong one would leave a listener that nobody has. */
export function checkCallback(operation: string, callback: unknown): void {
  if (callback === undefined || typeof callback === 'function') return;
  throw invalidArgument(operation, 'onConnection', 'a function', callback);
}
