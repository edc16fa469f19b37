import { EventEmitter, on } from 'node:events';
import type { AddressInfo } from 'node:net';
import { checkCapacity } from '../ring/layout.js';
import { checkTimeout, type WaitStrategy } from '../ring/wait.js';
import type { Address } from './address.js';
import type { Link } from './handshake.js';
import type { LinkKind, RingPair } from './sharing.js';
import { LinkServer } from './server.js';

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
  /** Milliseconds a peer has for the handshake. @default 5000 */
  handshakeTimeout?: number;
  /** False: connections go over sockets only. @default true */
  sharedMemory?: boolean;
  /** Peers that may wait to be accepted. @default 511 */
  backlog?: number;
}

export interface ListenerEvents<C> {
  connection: [connection: C];
  /** A peer that failed the handshake; it was told why, and nothing is left of it. */
  clientError: [error: Error];
  error: [error: Error];
  close: [];
}

/** What a listener needs of its connections. */
interface Connection {
  once(event: 'close', listener: () => void): unknown;
}

/**
 * Emits `connection` for each peer that connects; `close` once it and all its connections
 * are closed, like a `net.Server`.
 */
export class Listener<C extends Connection> extends EventEmitter<ListenerEvents<C>> {
  readonly #links: { close(): void; server: LinkServer<never>['server'] };
  readonly #connections = new Set<C>();
  #closing: Promise<void> | undefined;
  /** The last socket is closed, those of refused peers included. */
  #drained = false;

  /** @internal Use `listen` or `listenChannel`. */
  static async open<C extends Connection, E extends RingPair>(
    address: Address,
    content: LinkKind<E>,
    options: LinkListenOptions,
    connect: (link: Link<E>) => C,
  ): Promise<Listener<C>> {
    const { capacity, handshakeTimeout } = options;
    if (capacity !== undefined) checkCapacity('listen', capacity);
    checkTimeout('listen', handshakeTimeout);
    const links = new LinkServer(content, options, {
      link: link => listener.#add(connect(link)),
      refused: error => listener.emit('clientError', error),
    });
    const listener = new Listener<C>(links);
    await links.listen(address);
    // Not before: what listening fails by is told to who asked for it.
    links.server.on('error', error => listener.emit('error', error));
    return listener;
  }

  private constructor(links: { close(): void; server: LinkServer<never>['server'] }) {
    super();
    this.#links = links;
    links.server.on('close', () => {
      this.#drained = true;
      this.#settle();
    });
  }

  /** The path, or the TCP address with its port; null once closed. */
  address(): AddressInfo | string | null {
    return this.listening ? this.#links.server.address() : null;
  }

  get listening(): boolean {
    return this.#links.server.listening;
  }

  /** Connections that are open. */
  get connections(): ReadonlySet<C> {
    return this.#connections;
  }

  /** The listener keeps the process alive; the default. */
  ref(): this {
    this.#links.server.ref();
    return this;
  }

  unref(): this {
    this.#links.server.unref();
    return this;
  }

  /** The connections as they come, until the listener is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<C, void, undefined> {
    for await (const [connection] of on(this, 'connection', { close: ['close'] })) {
      yield connection as C;
    }
  }

  /**
   * Accepts nobody any more. Connections stay open until they close.
   *
   * @returns resolved once all of them have
   */
  close(): Promise<void> {
    this.#closing ??= new Promise(resolve => {
      this.once('close', resolve);
      this.#links.close();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #add(connection: C): void {
    this.#connections.add(connection);
    connection.once('close', () => {
      this.#connections.delete(connection);
      this.#settle();
    });
    this.emit('connection', connection);
  }

  #settle(): void {
    if (this.#drained && this.#connections.size === 0) this.emit('close');
  }
}
