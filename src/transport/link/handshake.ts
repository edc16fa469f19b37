import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import type { Region } from '../../native/region.js';
import { isCapacity } from '../layout.js';
import { isLocal } from './address.js';
import {
  type Attempt,
  type Body,
  cleanText,
  fits,
  Kind,
  receiveMessage,
  refuse,
  sendMessage,
} from './messages.js';
import {
  type Content,
  discard,
  type Ends,
  Fallback,
  newProof,
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
 *   hello { content, capacity, proof } ──▶  makes the region, its proof in it
 *   maps it, checks  ◀── offer { path, capacity, proof }
 *   the proof, leaves its own
 *   answer ──────────────────────────────▶  checks the dialer's proof, removes the name
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

export interface Link<E extends Ends> {
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
export async function acceptLink<E extends Ends>(
  socket: Socket,
  content: Content<E>,
  options: LinkOptions,
  attempt: Attempt,
): Promise<Link<E>> {
  let shared: Shared<E> | undefined;
  try {
    const hello = await receiveMessage(socket, Kind.hello, attempt);
    checkContent(hello, content.name, attempt);
    const capacity = agreed(options.capacity, hello.capacity, content.defaultCapacity);
    const proof = newProof();
    let fallbackReason =
      fallbackOf(hello) ??
      refusal(() => (shared = offered(socket, content, capacity, options, proof)));
    sendMessage(socket, Kind.offer, {
      capacity,
      greeting: options.greeting,
      ...(shared ? { path: shared.region.path, proof } : { fallback: fallbackReason }),
    });
    const answer = await receiveMessage(socket, Kind.answer, attempt);
    fallbackReason ??= fallbackOf(answer);
    if (shared && fallbackReason === undefined)
      fallbackReason = refusal(() => verify(shared!, hello.proof));
    if (shared && fallbackReason !== undefined) shared = withdraw(shared);
    shared?.region.unlink();
    sendMessage(socket, Kind.start, { fallback: fallbackReason });
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
export async function openLink<E extends Ends>(
  socket: Socket,
  content: Content<E>,
  options: LinkOptions,
  attempt: Attempt,
): Promise<Link<E>> {
  const { greeting, sharedMemory = true } = options;
  let shared: Shared<E> | undefined;
  try {
    const proof = newProof();
    const hello = { content: content.name, capacity: options.capacity, proof, greeting };
    if (!fits(hello)) {
      const detail = 'the greeting does not fit into a message';
      throw new ShmError('ERR_TOO_LARGE', detail, attempt.operation, attempt.address);
    }
    sendMessage(socket, Kind.hello, sharedMemory ? hello : { ...hello, fallback: unwanted });
    const offer = await receiveMessage(socket, Kind.offer, attempt);
    const capacity = checkOffered(offer, attempt);
    let fallbackReason =
      fallbackOf(offer) ??
      refusal(() => (shared = takeRegion(content, offer.path, offer.proof, proof)));
    sendMessage(socket, Kind.answer, { fallback: fallbackReason });
    const start = await receiveMessage(socket, Kind.start, attempt);
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
function offered<E extends Ends>(
  socket: Socket,
  content: Content<E>,
  capacity: number,
  options: LinkOptions,
  proof: string,
): Shared<E> {
  if (options.sharedMemory === false) throw new Fallback(unwanted);
  if (!isLocal(socket)) throw new Fallback('the peer is on another machine');
  return offerRegion(content, capacity, options.directory, proof);
}

function agreed(own: number | undefined, asked: unknown, standard: number): number {
  if (typeof asked !== 'number' || !isCapacity(asked)) return own ?? standard;
  return Math.min(asked, own ?? mostAsked);
}

function checkOffered({ capacity }: Body, { operation, address }: Attempt): number {
  if (typeof capacity === 'number' && isCapacity(capacity)) return capacity;
  const detail = `expected a capacity, got ${cleanText(capacity, 40)}`;
  throw new ShmError('ERR_PROTOCOL', detail, operation, address);
}

function checkContent(hello: Body, name: string, { operation, address }: Attempt): void {
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
