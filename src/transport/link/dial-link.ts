import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import { aBoolean, anAbortSignal, type Rule } from '../../native/arguments.js';
import { delay } from '../../timers.js';
import { checkCapacity } from '../ring/layout.js';
import { aCapacity, aTimeout, aWaitStrategy } from '../ring/option-rules.js';
import { checkTimeout, type WaitStrategy } from '../ring/wait-strategy.js';
import { type Address, addressText, checkAddress, connectSocket } from './address.js';
import { Deadline } from './deadline.js';
import type { Link } from './handshake.js';
import type { HandshakeContext } from './handshake-messages.js';
import { Opening } from './open-link.js';
import type { LinkKind, RingPair, Shared } from './sharing.js';

/** What `dial` and `dialChannel` have in common. */
export interface DialLinkOptions {
  /**
   * Bytes each direction holds: a power of two from 4 KiB to 1 GiB. Where both sides ask for
   * one, the smaller counts. @default what the listener says, up to 16 MiB
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

export const dialRules = {
  capacity: aCapacity,
  wait: aWaitStrategy,
  timeout: aTimeout,
  signal: anAbortSignal,
  sharedMemory: aBoolean,
} satisfies Record<keyof DialLinkOptions, Rule>;

/**
 * For one that writes before the listener has answered. What it has written is in shared
 * memory, and once {@link dialLink} has returned (its promise need not be settled) the kernel
 * holds the offer of it: the listener gets it though this process may be gone by then. Over
 * TCP and on Windows the offer goes out a turn of the event loop later.
 */
export interface EarlyUse<E extends RingPair> {
  /**
   * Called before {@link dialLink} returns, with rings to write to; not called where no memory
   * can be made. They become the link's, or are taken back.
   */
  rings(shared: Shared<E>): void;
  /**
   * The rings will not be the link's: it goes over its socket, or it failed. What was written
   * can be read back here: the side that takes a ring's reading role first has its records.
   * Afterwards the rings are closed and the memory is given back.
   *
   * @param problem the reason for the socket, or the error
   */
  takeBack(shared: Shared<E>, problem: string | Error): void;
}

export interface DialEarlyOptions<E extends RingPair> extends DialLinkOptions {
  /** Directory of the region. @default the listener's, else the per-user region directory */
  directory?: string | undefined;
  /** What to tell the peer besides: plain JSON, up to about 3 KiB. */
  greeting?: unknown;
  /** Needs `capacity`, which the listener must allow, and a directory that both sides mean. */
  early?: EarlyUse<E>;
  /** Called with each socket that is being connected. It keeps the process alive, unless unref'd. */
  connecting?: (socket: Socket) => void;
  /** Whether the wait for another try keeps the process alive. @default it does */
  isRefed?: () => boolean;
}

const defaultTimeout = 10_000;

/** Milliseconds until a listener that has too many handshakes under way is tried again. */
const retryInterval = 20;

/**
 * Connects, and shakes hands.
 *
 * @throws {ShmError} `ECONNREFUSED`, `ENOENT` and other errno names; `ERR_PROTOCOL`,
 *   `ERR_VERSION`, `ECONNRESET`, `ETIMEDOUT`; the peer's own code where it refuses; the
 *   signal's reason. Nothing is left then.
 */
export async function dialLink<E extends RingPair>(
  address: Address,
  kind: LinkKind<E>,
  options: DialEarlyOptions<E>,
): Promise<Link<E>> {
  const { capacity, timeout = defaultTimeout, signal } = options;
  checkAddress('dial', address);
  if (capacity !== undefined) checkCapacity('dial', capacity);
  const limit = checkTimeout('dial', timeout);
  const deadline = new Deadline('dial', addressText(address), limit, signal);
  const { isRefed } = options;
  const { operation, address: text } = deadline;
  const context = {
    operation,
    address: text,
    signal: deadline.signal,
    ...(isRefed && { isRefed }),
  };
  try {
    return await (options.early
      ? dialEarly(address, kind, options, options.early, context)
      : dialOften(address, () => new Opening(kind, options, context), context));
  } finally {
    deadline.clear();
  }
}

async function dialEarly<E extends RingPair>(
  address: Address,
  kind: LinkKind<E>,
  options: DialEarlyOptions<E>,
  early: EarlyUse<E>,
  context: HandshakeContext,
): Promise<Link<E>> {
  const opening = new Opening(kind, options, context, true);
  const { shared } = opening;
  if (shared) early.rings(shared);
  let problem: string | Error | undefined;
  try {
    const link = await dialOften(address, () => opening, context);
    problem = link.fallbackReason;
    return link;
  } catch (error) {
    problem = error as Error;
    throw error;
  } finally {
    if (shared && problem !== undefined) {
      try {
        early.takeBack(shared, problem);
      } finally {
        opening.discard();
      }
    }
  }
}

/** Tries again while the listener says that it has too many handshakes under way. */
async function dialOften<E extends RingPair>(
  address: Address,
  open: () => Opening<E>,
  context: HandshakeContext,
): Promise<Link<E>> {
  for (;;) {
    try {
      return await dialOnce(address, open(), context);
    } catch (error) {
      if (!(error instanceof ShmError) || error.code !== 'EAGAIN') throw error;
    }
    await delay(retryInterval, { ref: context.isRefed?.() ?? true });
    context.signal.throwIfAborted();
  }
}

async function dialOnce<E extends RingPair>(
  address: Address,
  opening: Opening<E>,
  context: HandshakeContext,
): Promise<Link<E>> {
  let stands = false;
  try {
    const socket = await connectSocket(address, context, opening);
    const link = await opening.finish(socket);
    stands = link.ends !== undefined;
    return link;
  } finally {
    if (!stands && !opening.early) opening.discard();
  }
}
