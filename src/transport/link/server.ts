import { closeSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { ShmError, systemError } from '../../errors.js';
import { addon } from '../../native/addon.js';
import { type Address, addressText, checkAddress } from './address.js';
import { Deadline } from './deadline.js';
import { acceptLink, type Link, type LinkOptions } from './handshake.js';
import type { LinkKind, RingPair } from './sharing.js';

export const handshakeTimeout = 5000;
const defaultBacklog = 511;

export interface LinkServerOptions extends LinkOptions {
  /** Milliseconds a peer has for the handshake. @default 5000 */
  handshakeTimeout?: number;
  /** Peers that may wait to be accepted. @default 511 */
  backlog?: number;
  /** In a cluster worker: this worker's own, not shared out by the primary. @default false */
  exclusive?: boolean;
}

export interface LinkServerEvents<E extends RingPair> {
  link(link: Link<E>): void;
  /** A peer failed the handshake; it has been told, and nothing is left of it. */
  refused(error: Error): void;
}

/** Accepts sockets and shakes hands with whoever comes, as many at once as come. */
export class LinkServer<E extends RingPair> {
  readonly server: Server;
  readonly #content: LinkKind<E>;
  readonly #options: LinkServerOptions;
  readonly #events: LinkServerEvents<E>;
  readonly #greeting = new Map<Socket, AbortController>();
  #address = '';

  constructor(content: LinkKind<E>, options: LinkServerOptions, events: LinkServerEvents<E>) {
    this.#content = content;
    this.#options = options;
    this.#events = events;
    // Half-closing is up to who uses the connection.
    this.server = createServer({ allowHalfOpen: true }, socket => void this.#accept(socket));
  }

  /**
   * @throws {ShmError} `EADDRINUSE` where somebody listens there, and other errno names. A
   *   Unix socket that nobody listens at any more is replaced.
   */
  async listen(address: Address): Promise<void> {
    const { backlog = defaultBacklog, exclusive = false } = this.#options;
    const options = { ...checkAddress('listen', address), backlog, exclusive };
    this.#address = addressText(address);
    try {
      await listening(this.server, options);
    } catch (cause) {
      const error = systemError(cause, 'listen', this.#address);
      const isPath = typeof address === 'string' && process.platform !== 'win32';
      if (error.code !== 'EADDRINUSE' || !isPath) throw error;
      const replace = async () => {
        if (!(await isDeserted(address))) throw error;
        unlinkSync(address);
        await listening(this.server, options);
      };
      await withDirectoryLock(dirname(address), replace, error);
    }
  }

  /** Accepts nobody any more, and gives up handshakes that are under way. */
  close(): void {
    this.server.close();
    const error = new ShmError('ERR_CLOSED', 'the listener was closed', 'accept', this.#address);
    for (const controller of this.#greeting.values()) controller.abort(error);
  }

  async #accept(socket: Socket): Promise<void> {
    const controller = new AbortController();
    const limit = this.#options.handshakeTimeout ?? handshakeTimeout;
    const deadline = new Deadline('accept', this.#address, limit, controller.signal);
    this.#greeting.set(socket, controller);
    socket.on('error', ignore); // told by the handshake
    let link: Link<E>;
    try {
      link = await acceptLink(socket, this.#content, this.#options, deadline);
    } catch (error) {
      this.#events.refused(error as Error);
      return;
    } finally {
      socket.off('error', ignore);
      deadline.clear();
      this.#greeting.delete(socket);
    }
    this.#events.link(link);
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

/** Whether a Unix socket's file is there and nobody listens at it. */
async function isDeserted(path: string): Promise<boolean> {
  // Connecting to a file of another kind is refused in the same way.
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false;
  return new Promise(resolve => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

/**
 * Does something while no other process does the like in the same directory: of two that
 * replace a deserted socket at once, the second would remove the first one's new one.
 *
 * @param busy what to throw where another one is at it
 */
async function withDirectoryLock(
  directory: string,
  work: () => Promise<void>,
  busy: ShmError,
): Promise<void> {
  const fd = openSync(directory, 'r');
  try {
    if (!addon.tryLease(fd, 1)) throw busy;
    await work();
  } finally {
    closeSync(fd);
  }
}
