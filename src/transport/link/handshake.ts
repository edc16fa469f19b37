import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import type { Region } from '../../native/region.js';
import { isCapacity } from '../ring/layout.js';
import { isLocal } from './address.js';
import {
  type HandshakeContext,
  type Body,
  cleanText,
  fitsMessage,
  HandshakeKind,
  receiveMessage,
  refuse,
  sendMessage,
} from './handshake-messages.js';
import {
  type LinkKind,
  discard,
  type RingPair,
  Fallback,
  newNonce,
  offerRegion,
  reasonOf,
  type Shared,
  takeRegion,
  verify,
  withdraw,
} from './sharing.js';

/*
 * A link: a socket, and where it can be had, a region with two rings that both sides map.
 *
 *   dialer                                  listener
 *   hello { content, capacity, nonce } ──▶  makes the region, its nonce in it
 *   maps it, checks  ◀── offer { path, capacity, nonce }
 *   the nonce, leaves its own
 *   answer ──────────────────────────────▶  checks the dialer's nonce, removes the name
 *                       ◀────────────────   start
 *
 * Nothing is made for a peer that has not said hello. From the listener's removal of the
 * name on, nothing of the region outlives the two processes. Where one side cannot share
 * memory with the other, it says `fallback` with the reason in the place of its offer,
 * answer or start, and both go on over the socket. The idea of falling back to the socket
 * is shmipc's.
 */

export interface LinkOptions {
  /** Bytes each direction holds: a power of two. Of two that are asked for, the smaller. */
  capacity?: number | undefined;
  /** Directory of the region. @default the per-user region directory */
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

/** A dialer may ask for so much where the listener sets no capacity. */
const mostAsked = 16 * 1024 * 1024;

const unwanted = 'shared memory is turned off';

/**
 * The listener's half of the handshake.
 *
 * @throws {ShmError} as {@link receiveMessage}; the peer has been told, the socket is
 *   closing, nothing else is left
 */
export async function acceptLink<E extends RingPair>(
  socket: Socket,
  content: LinkKind<E>,
  options: LinkOptions,
  attempt: HandshakeContext,
): Promise<Link<E>> {
  let shared: Shared<E> | undefined;
  try {
    const hello = await receiveMessage(socket, HandshakeKind.hello, attempt);
    checkContent(hello, content.name, attempt);
    const capacity = agreed(options.capacity, hello.capacity, content.defaultCapacity);
    const nonce = newNonce();
    let fallbackReason =
      fallbackOf(hello) ??
      refusal(() => (shared = offered(socket, content, capacity, options, nonce)));
    sendMessage(socket, HandshakeKind.offer, {
      capacity,
      greeting: options.greeting,
      ...(shared ? { path: shared.region.path, nonce } : { fallback: fallbackReason }),
    });
    const answer = await receiveMessage(socket, HandshakeKind.answer, attempt);
    fallbackReason ??= fallbackOf(answer);
    if (shared && fallbackReason === undefined)
      fallbackReason = refusal(() => verify(shared!, hello.nonce));
    if (shared && fallbackReason !== undefined) shared = withdraw(shared);
    shared?.region.unlink();
    sendMessage(socket, HandshakeKind.start, { fallback: fallbackReason });
    return { socket, capacity, ...shared, ...reason(fallbackReason), greeting: hello.greeting };
  } catch (error) {
    if (shared) withdraw(shared);
    refuse(socket, error as Error);
    throw error;
  }
}

/**
 * The dialer's half of the handshake.
 *
 * @throws {ShmError} as {@link acceptLink}
 */
export async function openLink<E extends RingPair>(
  socket: Socket,
  content: LinkKind<E>,
  options: LinkOptions,
  attempt: HandshakeContext,
): Promise<Link<E>> {
  const { greeting, sharedMemory = true } = options;
  let shared: Shared<E> | undefined;
  try {
    const nonce = newNonce();
    const hello = { content: content.name, capacity: options.capacity, nonce, greeting };
    if (!fitsMessage(hello)) {
      const detail = 'the greeting does not fit into a message';
      throw new ShmError('ERR_TOO_LARGE', detail, attempt.operation, attempt.address);
    }
    sendMessage(
      socket,
      HandshakeKind.hello,
      sharedMemory ? hello : { ...hello, fallback: unwanted },
    );
    const offer = await receiveMessage(socket, HandshakeKind.offer, attempt);
    const capacity = checkOffered(offer, attempt);
    let fallbackReason =
      fallbackOf(offer) ??
      refusal(() => (shared = takeRegion(content, offer.path, offer.nonce, nonce)));
    sendMessage(socket, HandshakeKind.answer, { fallback: fallbackReason });
    const start = await receiveMessage(socket, HandshakeKind.start, attempt);
    fallbackReason ??= fallbackOf(start);
    if (shared && fallbackReason !== undefined) shared = discard(shared);
    return { socket, capacity, ...shared, ...reason(fallbackReason), greeting: offer.greeting };
  } catch (error) {
    if (shared) discard(shared);
    refuse(socket, error as Error);
    throw error;
  }
}

/** Makes the region, unless it is plain that the two cannot share one. */
function offered<E extends RingPair>(
  socket: Socket,
  content: LinkKind<E>,
  capacity: number,
  options: LinkOptions,
  nonce: string,
): Shared<E> {
  if (options.sharedMemory === false) throw new Fallback(unwanted);
  if (!isLocal(socket)) throw new Fallback('the peer is on another machine');
  return offerRegion(content, capacity, options.directory, nonce);
}

function agreed(own: number | undefined, asked: unknown, standard: number): number {
  if (typeof asked !== 'number' || !isCapacity(asked)) return own ?? standard;
  return Math.min(asked, own ?? mostAsked);
}

function checkOffered({ capacity }: Body, { operation, address }: HandshakeContext): number {
  if (typeof capacity === 'number' && isCapacity(capacity)) return capacity;
  const detail = `expected a capacity, got ${cleanText(capacity, 40)}`;
  throw new ShmError('ERR_PROTOCOL', detail, operation, address);
}

function checkContent(hello: Body, name: string, { operation, address }: HandshakeContext): void {
  if (hello.content === name) return;
  const detail = `expected a peer for ${name}, got one for ${cleanText(hello.content, 40)}`;
  throw new ShmError('ERR_PROTOCOL', detail, operation, address);
}

/** Why a step towards shared memory was not taken; undefined where it was. */
function refusal(step: () => unknown): string | undefined {
  try {
    step();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

function fallbackOf(body: Body): string | undefined {
  return body.fallback === undefined ? undefined : cleanText(body.fallback, 400);
}

function reason(fallbackReason: string | undefined): { fallbackReason?: string } {
  return fallbackReason === undefined ? {} : { fallbackReason };
}
