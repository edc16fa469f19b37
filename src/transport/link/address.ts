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
export type Address = string | { port: number; host?: string };

/** What `sockaddr_un` holds, less the zero at the end. */
const longestPath = process.platform === 'darwin' ? 103 : 107;

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
 * Connects a socket.
 *
 * @param first what to say at once: over a Unix socket the kernel has it when this returns,
 *   though the promise need not be settled
 * @throws {ShmError} `ECONNREFUSED`, `ENOENT` and other errno names; the signal's reason
 */
export async function connectSocket(
  address: Address,
  { operation, address: text, signal }: HandshakeContext,
  first?: Buffer,
): Promise<Socket> {
  const options = checkAddress(operation, address);
  for (;;) {
    signal.throwIfAborted();
    // Half-closing is up to who uses the connection.
    const socket = connect({ ...options, allowHalfOpen: true } as { path: string });
    const connected = once(socket, 'connect', { signal });
    if (first) writeAtOnce(socket, first);
    try {
      await connected;
      return socket;
    } catch (cause) {
      socket.destroy();
      signal.throwIfAborted();
      const error = systemError(cause, operation, text);
      if (error.code !== 'EAGAIN') throw error;
    }
    await delay(retryInterval);
  }
}

/**
 * A Unix socket is connected when `connect` returns, though Node says so a turn later and
 * holds back until then what is written. Where its descriptor can be had, it is written to
 * directly; what does not go that way goes the usual one.
 */
function writeAtOnce(socket: Socket, bytes: Buffer): void {
  let written = 0;
  const { fd = -1 } = (socket as unknown as { _handle?: { fd?: number } | null })._handle ?? {};
  if (fd >= 0 && process.platform !== 'win32') {
    try {
      written = writeSync(fd, bytes);
    } catch {
      // Not connected yet, as over TCP, or never.
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
