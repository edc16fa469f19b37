import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import type { MessageRings } from '../channel/message-rings.js';
import { dialLink, type EarlyUse } from '../link/dial-link.js';
import type { Link } from '../link/handshake.js';
import { handshakeTimeout } from '../link/server.js';
import type { LinkKind } from '../link/sharing.js';
import type { Greeting } from './greeting.js';
import type { PeerDirectory } from './peer-directory.js';
import type { LinkOrder } from './peer-links.js';

/** Of a connection for messages. */
interface DialOptions extends Partial<LinkOrder> {
  readonly capacity?: number;
  readonly early?: EarlyUse<MessageRings>;
  readonly signal?: AbortSignal;
}

/** Dials the peers of a bus, and ends all its connections when the bus is closed. */
export class MeshDialer {
  readonly #peers: PeerDirectory;
  readonly #kind: LinkKind<MessageRings>;
  readonly #greeting: Greeting;
  readonly #directory: string | undefined;
  /** Of all connections that are open. */
  readonly #sockets = new Set<Socket>();
  readonly #abort = new AbortController();
  #refed = true;

  /** @param directory of the memory of links */
  constructor(
    peers: PeerDirectory,
    kind: LinkKind<MessageRings>,
    greeting: Greeting,
    directory: string | undefined,
  ) {
    this.#peers = peers;
    this.#kind = kind;
    this.#greeting = greeting;
    this.#directory = directory;
    setMaxListeners(0, this.#abort.signal); // every dial listens
  }

  /** @throws {ShmError} as {@link dialLink} */
  dial(
    instance: string,
    purpose: NonNullable<Greeting['purpose']>,
    options: DialOptions = {},
  ): Promise<Link<MessageRings>> {
    const { capacity = this.#greeting.capacity, early, signal, ...order } = options;
    return dialLink(this.#peers.address(instance), this.#kind, {
      capacity,
      directory: this.#directory,
      greeting: { ...this.#greeting, ...order, purpose } satisfies Greeting,
      signal: signal ?? this.#abort.signal,
      // For as long as the peer is there: what a link carries waits already; and a presence that was
      // given up when the peer was about to answer would be to it one that came and died.
      timeout: purpose === 'barrier' ? handshakeTimeout : Infinity,
      sharedMemory: purpose === 'link',
      connecting: socket => {
        if (!this.#refed) socket.unref();
        this.keep(socket);
      },
      isRefed: () => this.#refed,
      ...(early && { early }),
    });
  }

  /** Whether connections that are being made keep the process alive; at first they do. */
  setRef(refed: boolean): void {
    this.#refed = refed;
    for (const socket of this.#sockets) {
      if (refed) socket.ref();
      else socket.unref();
    }
  }

  /** A connection that is to end with the bus, at the latest. */
  keep(socket: Socket): void {
    if (socket.closed) return;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /**
   * Resolves once all that had been dialled to this peer by now has been accepted. It is accepted in
   * the order in which it was dialled, so a last one is dialled here, and waited for.
   */
  async arrivals(): Promise<void> {
    try {
      const { socket } = await this.dial(this.#peers.instance, 'barrier');
      socket.destroy();
    } catch {
      // Nothing is accepted any more.
    }
  }

  /** Gives up what is being dialled, and ends what is open: its peer does not answer. */
  close(): void {
    this.#abort.abort(new ShmError('ERR_CLOSED', 'the bus was closed', 'bus.dial'));
    for (const socket of this.#sockets) socket.destroy();
  }
}
