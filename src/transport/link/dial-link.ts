import { checkCapacity } from '../ring/layout.js';
import { checkTimeout, type WaitStrategy } from '../ring/wait.js';
import { type Address, addressText, checkAddress, connectSocket } from './address.js';
import { Deadline } from './deadline.js';
import { type Link, openLink } from './handshake.js';
import type { LinkKind, RingPair } from './sharing.js';

export interface DialLinkOptions {
  /**
   * Bytes each direction holds: a power of two from 4 KiB to 1 GiB. Where both sides ask for
   * one, the smaller counts. @default what the listener says
   */
  capacity?: number;
  /** How this end waits. @default 'park' */
  wait?: WaitStrategy;
  /** Milliseconds until the connection stands. @default 10000 */
  timeout?: number;
  /** Gives up with the signal's reason. */
  signal?: AbortSignal;
  /** False: over the socket only. @default true */
  sharedMemory?: boolean;
}

const defaultTimeout = 10_000;

/** Connects, and shakes hands; see {@link openLink} for what it throws. */
export async function dialLink<E extends RingPair>(
  address: Address,
  content: LinkKind<E>,
  options: DialLinkOptions & { greeting?: unknown },
): Promise<Link<E>> {
  const { capacity, timeout = defaultTimeout, signal } = options;
  checkAddress('dial', address);
  if (capacity !== undefined) checkCapacity('dial', capacity);
  const limit = checkTimeout('dial', timeout);
  const deadline = new Deadline('dial', addressText(address), limit, signal);
  try {
    const socket = await connectSocket(address, deadline);
    return await openLink(socket, content, options, deadline);
  } finally {
    deadline.clear();
  }
}
