import { writeSync } from 'node:fs';
import { connect, type ListenOptions as NetListenOptions, type Socket } from 'node:net';
import { once } from 'node:events';
import { invalidArgument, ShmError, systemError } from '../../errors.js';
import { delay } from '../../timers.js';
import type { HandshakeContext } from './handshake-messages.js';

/**
 * Where a listener is found: the path of a Unix socket (on Windows, the name of a pipe, such
 * as `\\.\pipe\name`), or a TCP port.
 */
export type Address =
  | string
  | {
      /** From 0 to 65535; 0 listens at a free one. */
      port: number;
      /** A name or an address. @default 'localhost' */
      host?: string;
    };

/** What `sockaddr_un` holds, less the zero at the end. */
const longestPath = process.platform === 'darwin' ? 103 : 107;

const nothing = Buffer.alloc(0);

/** A Unix socket whose queue of waiting peers is full says EAGAIN; then it is tried again. */
const retryInterval = 10;

/** @throws {ShmError} `ERR_INVALID_ARG`; `ENAMETOOLONG`, where Node would cut the path short */
export function checkAddress(operation: string, address: Address): NetListenOptions {
  if (typeof address === 'string' && address.length > 0) {
    const length = Buffer.byteLength(address);
    if (process.platform !== 'win32' && length > longestPath) {
      const detail = `the path of a Unix socket has at most ${longestPath} bytes, got ${length}`;
      throw new ShmError('ENAMETOOLONG', detail, operation, address);
    }
    // Node takes such a text for a port in one place, and for a path in the other.
    if (/^\d+$/.test(address)) {
      throw invalidArgument(
        operation,
        'address',
        `'./${address}' or { port: ${address} }`,
        address,
      );
    }
    return { path: address };
  }
  const { port, host = 'localhost' } = (address ?? {}) as Partial<{ port: number; host: string }>;
  if (Number.isInteger(port) && port! >= 0 && port! < 65536 && typeof host === 'string') {
    return { port: port!, host };
  }
  throw invalidArgument(operation, 'address', 'a path or { port, host }', address);
}

/** As errors and listeners call it. */
export function addressText(address: Address): string {
  return typeof address === 'string'
    ? address
    : `${address.host ?? 'localhost'}:${String(address.port)}`;
}

/**
 * Node throws some of these refusals into the event loop, where nobody can catch them.
 *
 * @throws {ShmError} `ERR_ACCESS_DENIED` where Node's permission model forbids sockets
 */
export function checkPermission(operation: string, address: Address): void {
  const { permission } = process as Partial<Pick<NodeJS.Process, 'permission'>>;
  if (!permission || permission.has('net')) return;
  // Earlier versions of Node ask for no permission, and say that there is none.
  if (!process.allowedNodeEnvironmentFlags.has('--allow-net')) return;
  const detail = "Node's permission model forbids it; allow --allow-net";
  throw new ShmError('ERR_ACCESS_DENIED', detail, operation, addressText(address));
}

/** What is said first over a socket. */
export interface FirstWords {
  /** It does not depend on the socket: over a Unix socket the kernel has it at once. */
  readonly early: boolean;
  /** Called once for each socket that connects. */
  hello(socket: Socket): Buffer;
}

/**
 * Connects a socket, and says hello as soon as the kernel takes it.
 *
 * @throws {ShmError} `ECONNREFUSED`, `ENOENT` and other errno names; the signal's reason
 */
export async function connectSocket(
  address: Address,
  { operation, address: text, signal, isRefed }: HandshakeContext,
  words: FirstWords,
): Promise<Socket> {
  const options = checkAddress(operation, address);
  for (;;) {
    signal.throwIfAborted();
    // Half-closing is up to the connection's user.
    const socket = connect({ ...options, allowHalfOpen: true } as { path: string });
    // For good: what waits for it, or takes it over, has a listener of its own. But a hello that
    // is written once it is connected fails before this function can go on.
    socket.on('error', () => {});
    try {
      const connected = once(socket, 'connect', { signal });
      // Node says a turn later what the kernel has done already. Meanwhile the memory can be
      // made, while the listener accepts.
      const fd = typeof address === 'string' ? connectedDescriptor(socket) : -1;
      const early = words.early || fd >= 0;
      try {
        if (early) writeAtOnce(socket, fd, words.hello(socket));
      } finally {
        await connected;
      }
      if (!early) socket.write(words.hello(socket));
      return socket;
    } catch (cause) {
      socket.destroy();
      signal.throwIfAborted();
      const error = systemError(cause, operation, text);
      if (error.code !== 'EAGAIN') throw error;
    }
    await delay(retryInterval, { ref: isRefed?.() ?? true });
  }
}

/** The descriptor of a Unix socket that is connected, though Node has not said so; else -1. */
function connectedDescriptor(socket: Socket): number {
  if (process.platform === 'win32') return -1;
  const { fd = -1 } = (socket as unknown as { _handle?: { fd?: number } | null })._handle ?? {};
  if (fd < 0) return -1;
  try {
    writeSync(fd, nothing);
    return fd;
  } catch {
    return -1;
  }
}

/** Past Node's queue, which stands still until it has said that the socket is connected. */
function writeAtOnce(socket: Socket, fd: number, bytes: Buffer): void {
  let written = 0;
  if (fd >= 0) {
    try {
      written = writeSync(fd, bytes);
    } catch {
      // The peer has gone, which the socket will find out too.
    }
  }
  if (written < bytes.length) socket.write(bytes.subarray(written));
}

/** Whether both ends of a socket are on this machine, as far as its addresses tell. */
export function isLocal(socket: Socket): boolean {
  const { remoteAddress, localAddress } = socket;
  if (remoteAddress === undefined) return true; // a Unix socket or a pipe
  const plain = remoteAddress.replace(/^::ffff:/, '');
  return plain.startsWith('127.') || plain === '::1' || remoteAddress === localAddress;
}
