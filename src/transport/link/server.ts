import { createServer, type Server, type Socket } from 'node:net';
import { ShmError, systemError } from '../../errors.js';
import { nextTick } from '../../timers.js';
import { checkTimeout } from '../ring/wait-strategy.js';
import { type Address, addressText, checkAddress, checkPermission } from './address.js';
import { Deadline } from './deadline.js';
import { replaceDeserted } from './deserted.js';
import { acceptLink } from './accept-link.js';
import {
  Admission,
  checkCount,
  type DropReason,
  type PendingHandshake,
  type HandshakeLimits,
} from './admission.js';
import type { Link, LinkOptions } from './handshake.js';
import { refuse } from './handshake-messages.js';
import type { LinkKind, RingPair } from './sharing.js';

export const handshakeTimeout = 5000;
const defaultBacklog = 511;

export interface LinkServerOptions extends LinkOptions {
  /** Milliseconds a peer has for the handshake, as `handshakes.timeout`. @default 5000 */
  handshakeTimeout?: number;
  /** What handshakes under way may take. */
  handshakes?: HandshakeLimits;
  /** Peers that may wait to be accepted. @default 511 */
  backlog?: number;
  /** In a cluster worker: this worker's own, not shared out by the primary. @default false */
  exclusive?: boolean;
}

export interface LinkServerEvents<E extends RingPair> {
  link(link: Link<E>): void;
  /** A peer failed the handshake; it has been told, and nothing is left of it. */
  refused(error: Error): void;
  /** Nobody can be accepted at the moment, for lack of file descriptors, for example. */
  failed(error: ShmError): void;
  /** A peer had to go because a bound is reached. */
  dropped?(socket: Socket, reason: DropReason): void;
  /** How many more connections there may be. @default Infinity */
  room?(): number;
}

/** Accepts sockets and shakes hands with those that come, many at once. */
export class LinkServer<E extends RingPair> {
  readonly server: Server;
  readonly #kind: LinkKind<E>;
  readonly #options: LinkServerOptions;
  readonly #events: LinkServerEvents<E>;
  readonly #admission: Admission;
  readonly #timeout: number;
  #address = '';

  /** @throws {ShmError} `ERR_OUT_OF_RANGE` */
  constructor(kind: LinkKind<E>, options: LinkServerOptions, events: LinkServerEvents<E>) {
    this.#kind = kind;
    this.#options = options;
    this.#events = events;
    const { handshakes = {} } = options;
    checkCount('listen', 'handshakes.pending', handshakes.pending);
    checkCount('listen', 'handshakes.bytes', handshakes.bytes);
    const { timeout = options.handshakeTimeout ?? handshakeTimeout } = handshakes;
    this.#timeout = checkTimeout('listen', timeout);
    // Later: a listener of the user's must not run in the middle of an admission.
    const dropped = (socket: Socket, reason: DropReason) =>
      nextTick(() => events.dropped?.(socket, reason));
    this.#admission = new Admission(handshakes, () => this.#address, dropped);
    // Half-closing is up to the connection's user.
    this.server = createServer({ allowHalfOpen: true }, socket => this.#accept(socket));
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#admission.size;
  }

  /**
   * @throws {ShmError} `EADDRINUSE` where somebody listens there, and other errno names. A
   *   Unix socket that nobody listens at any more is replaced.
   */
  async listen(address: Address): Promise<void> {
    const { backlog = defaultBacklog, exclusive = false } = this.#options;
    const options = { ...checkAddress('listen', address), backlog, exclusive };
    checkPermission('listen', address);
    this.#address = addressText(address);
    try {
      await listening(this.server, options);
    } catch (cause) {
      const error = systemError(cause, 'listen', this.#address);
      const isPath = typeof address === 'string' && process.platform !== 'win32';
      if (error.code !== 'EADDRINUSE' || !isPath) throw error;
      await replaceDeserted(address, error, () => listening(this.server, options));
    }
    // Not earlier: an error of listening itself is thrown.
    this.server.on('error', cause => {
      this.#events.failed(systemError(cause, 'accept', this.#address));
    });
  }

  /** Accepts nobody any more, and gives up handshakes that are under way. */
  close(): void {
    this.server.close();
    const error = new ShmError('ERR_CLOSED', 'the listener was closed', 'accept', this.#address);
    this.#admission.abortAll(error);
  }

  #accept(socket: Socket): void {
    socket.on('error', ignore); // told by the handshake, or by what takes the link
    const room = this.#events.room?.() ?? Number.POSITIVE_INFINITY;
    if (room <= 0) {
      const detail = 'the listener has as many connections as it may have';
      refuse(socket, new ShmError('ECONNREFUSED', detail, 'accept', this.#address));
      this.#admission.linger(socket);
      this.#events.dropped?.(socket, 'connections');
      return;
    }
    const handshake = this.#admission.admit(socket, room);
    this.#shake(handshake).then(
      // In a callback of their own, where what a user's function throws is uncaught as usual.
      link => nextTick(() => this.#hand(link)),
      (error: unknown) => {
        this.#admission.linger(socket);
        nextTick(() => this.#events.refused(error as Error));
      },
    );
  }

  async #shake(handshake: PendingHandshake): Promise<Link<E>> {
    const { socket, controller } = handshake;
    const { operation, address, signal, clear } = new Deadline(
      'accept',
      this.#address,
      this.#timeout,
      controller.signal,
    );
    const hold = (bytes: number) => this.#admission.hold(handshake, bytes);
    const release = (bytes: number) => this.#admission.release(handshake, bytes);
    try {
      const context = { operation, address, signal, hold, release };
      return await acceptLink(socket, this.#kind, this.#options, context);
    } finally {
      clear();
      this.#admission.done(handshake);
    }
  }

  #hand(link: Link<E>): void {
    try {
      this.#events.link(link);
    } finally {
      link.socket.off('error', ignore);
    }
  }
}

function ignore(): void {}

function listening(server: Server, options: object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
