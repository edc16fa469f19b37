import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import type { Region } from '../../native/region.js';
import { isCapacity } from '../ring/layout.js';
import { type Body, cleanText, type HandshakeContext } from './handshake-messages.js';
import { isLinkName, isNonce, type Offer, reasonOf, type RingPair } from './sharing.js';

/*
 * A link: a socket, and where it can be had, a region with two rings that both sides map.
 *
 *   dialer                                            listener
 *   makes the region, its nonce in it
 *   hello { content, capacity, greeting, offer } ──▶  maps the region, checks the nonce,
 *                                                     leaves its own, removes the name
 *   checks the nonce  ◀───  start { capacity, greeting, nonce }
 *
 * offer: { name, capacity, nonce, directory }. The memory is always the dialer's: a listener
 * reserves none for anybody, see ADR-0050. It opens only a file of a link's name in its own
 * region directory, of this user, of exactly the size told; `directory` is only compared.
 *
 * Where nothing was offered, or not what the listener needs, it asks once:
 *
 *                     ◀───  ask { capacity, directory }
 *   offer { name, capacity, nonce } ────────────────▶
 *
 * Where the two may have their doorbells in different directories, the dialer has to say
 * whether it can reach the listener's:
 *
 *                     ◀───  start { …, confirm: true }
 *   confirm ────────────────────────────────────────▶
 *                     ◀───  start { capacity }
 *
 * Where one side cannot share memory with the other, it says `fallback` with the reason in
 * its hello, offer, start or confirm, and both go on over the socket. The idea of falling back
 * to the socket is shmipc's.
 *
 * A hello with `early` says that the rings are in use already, and that the dialer may be
 * gone before it is answered: the listener takes them up at once, and asks for no confirm.
 */

export interface LinkOptions {
  /** Bytes each direction holds: a power of two. Of two that are asked for, the smaller. */
  capacity?: number | undefined;
  /** Directory of the region. @default the listener's, else the per-user region directory */
  directory?: string | undefined;
  /** False: the socket only. @default true */
  sharedMemory?: boolean | undefined;
  /** What to tell the peer besides: plain JSON, up to about 3 KiB. */
  greeting?: unknown;
}

export interface Link<E extends RingPair> {
  readonly socket: Socket;
  /** Absent where the link goes over its socket; then there is a reason. */
  readonly ends?: E;
  readonly region?: Region;
  readonly fallbackReason?: string;
  /** Bytes each direction may hold, as agreed; also where it goes over its socket. */
  readonly capacity: number;
  /** What the peer told besides; not to be trusted. */
  readonly greeting: unknown;
}

/** The most that either side may ask of one that has set no capacity itself. */
export const mostAsked = 16 * 1024 * 1024;

export const unwanted = 'shared memory is turned off';
export const elsewhere = 'the peer is on another machine';

/** Why a step towards shared memory was not taken; undefined where it was. */
export function whyNot(step: () => unknown): string | undefined {
  try {
    step();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

export function protocolError(
  { operation, address }: HandshakeContext,
  expected: string,
  got: unknown,
): ShmError {
  const detail = `expected ${expected}, got ${cleanText(got, 40)}`;
  return new ShmError('ERR_PROTOCOL', detail, operation, address);
}

/** @throws {ShmError} `ERR_PROTOCOL` */
export function readFallback({ fallback }: Body, context: HandshakeContext): string | undefined {
  if (fallback === undefined) return undefined;
  if (typeof fallback === 'string') return cleanText(fallback, 400);
  throw protocolError(context, 'a reason for the socket', fallback);
}

/** @throws {ShmError} `ERR_PROTOCOL` */
export function readCapacity({ capacity }: Body, context: HandshakeContext): number {
  if (typeof capacity === 'number' && isCapacity(capacity)) return capacity;
  throw protocolError(context, 'a capacity', capacity);
}

/** @throws {ShmError} `ERR_PROTOCOL` */
export function readOffer(body: Body, context: HandshakeContext): Offer {
  const { name, nonce, directory } = body;
  const capacity = readCapacity(body, context);
  if (!isLinkName(name)) throw protocolError(context, "a link's name", name);
  if (directory !== undefined && typeof directory !== 'string') {
    throw protocolError(context, "a directory's path", directory);
  }
  return { name, capacity, nonce: readNonce(nonce, context), directory };
}

/** @throws {ShmError} `ERR_PROTOCOL` */
export function readNonce(nonce: unknown, context: HandshakeContext): string {
  if (isNonce(nonce)) return nonce;
  throw protocolError(context, 'a nonce', nonce);
}

export function reason(fallbackReason: string | undefined): { fallbackReason?: string } {
  return fallbackReason === undefined ? {} : { fallbackReason };
}
