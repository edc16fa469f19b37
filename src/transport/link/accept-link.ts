import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import { isObject } from '../../native/arguments.js';
import { existingDirectory, regionDirectory } from '../../native/directory.js';
import { isLocal } from './address.js';
import {
  elsewhere,
  type Link,
  type LinkOptions,
  mostAsked,
  protocolError,
  readCapacity,
  readFallback,
  readOffer,
  reason,
  whyNot,
  unwanted,
} from './handshake.js';
import {
  type Body,
  cleanText,
  type HandshakeContext,
  HandshakeKind,
  receiveMessage,
  refuse,
  sendMessage,
} from './handshake-messages.js';
import {
  discard,
  linkBytes,
  type LinkKind,
  newNonce,
  type Offer,
  reasonOf,
  type RingPair,
  type Shared,
  takeRegion,
} from './sharing.js';

/** A listener's side of one handshake, as its server sees it. */
export interface AcceptContext extends HandshakeContext {
  /** Called before bytes of the dialer's memory are mapped. @throws where that is too much */
  hold?(bytes: number): void;
  /** Called where they could not be mapped. */
  release?(bytes: number): void;
}

/**
 * The listener's half of the handshake. It reserves no memory: what it maps is the dialer's.
 *
 * @throws {ShmError} as {@link receiveMessage}; the peer has been told, the socket is
 *   closing, nothing else is left
 */
export async function acceptLink<E extends RingPair>(
  socket: Socket,
  kind: LinkKind<E>,
  options: LinkOptions,
  context: AcceptContext,
): Promise<Link<E>> {
  let shared: Shared<E> | undefined;
  try {
    const { body: hello } = await receiveMessage(socket, [HandshakeKind.hello], context);
    if (hello.content !== kind.name) {
      throw protocolError(
        context,
        `a peer for ${kind.name}`,
        `one for ${cleanText(hello.content, 40)}`,
      );
    }
    const capacity = agreed(options.capacity, hello, kind.defaultCapacity, context);
    const early = hello.early === true;
    const nonce = newNonce();
    let confirm = false;
    const take = (directory: string, offer: Offer) => {
      const bytes = linkBytes(offer.capacity);
      context.hold?.(bytes);
      try {
        shared = takeRegion(kind, directory, offer, nonce, early);
      } finally {
        if (!shared) context.release?.(bytes);
      }
      // If both sides name the same directory, and this side's bells are in it, the dialer finds
      // them.
      confirm = !early && !(offer.directory === directory && isBellDirectory(directory, options));
    };
    let fallback = readFallback(hello, context) ?? refusalOf(socket, options);
    if (fallback === undefined) fallback = takeFirst(hello, capacity, options, context, take);
    if (fallback === undefined && !shared) {
      fallback = await askAndTake(socket, capacity, options, context, take);
    }
    const { greeting } = options;
    // Over the socket, a peer's wish would fill memory of this side.
    const ofSocket = Math.min(capacity, options.capacity ?? kind.defaultCapacity);
    sendMessage(
      socket,
      HandshakeKind.start,
      shared ? { capacity, greeting, nonce, confirm } : { capacity: ofSocket, greeting, fallback },
    );
    if (shared && confirm) {
      const { body } = await receiveMessage(socket, [HandshakeKind.confirm], context);
      fallback = readFallback(body, context);
      if (fallback !== undefined) shared = discard(shared);
      const last = shared ? { capacity } : { capacity: ofSocket, fallback };
      sendMessage(socket, HandshakeKind.start, last);
    }
    const agreedOn = shared ? capacity : ofSocket;
    return { socket, capacity: agreedOn, ...shared, ...reason(fallback), greeting: hello.greeting };
  } catch (error) {
    if (shared) discard(shared);
    refuse(socket, error as Error);
    throw error;
  }
}

/** Whether this process has its doorbells there. */
function isBellDirectory(home: string, { directory }: LinkOptions): boolean {
  return directory === undefined || home === existingDirectory();
}

/** Why the two certainly cannot share memory, or why this side does not want it. */
function refusalOf(socket: Socket, { sharedMemory }: LinkOptions): string | undefined {
  if (sharedMemory === false) return unwanted;
  return isLocal(socket) ? undefined : elsewhere;
}

/**
 * Takes what the dialer has made in advance. Where that is of another capacity than agreed,
 * or not found here, nothing is taken, and the dialer can be asked for another one.
 *
 * @returns the reason for the socket
 */
function takeFirst(
  { offer }: Body,
  capacity: number,
  { directory }: LinkOptions,
  context: HandshakeContext,
  take: (directory: string, offer: Offer) => void,
): string | undefined {
  if (offer === undefined) return undefined;
  if (!isObject(offer)) throw protocolError(context, 'an offer', offer);
  const found = readOffer(offer as Body, context);
  if (found.capacity !== capacity) return undefined;
  try {
    const home = existingDirectory(directory);
    if (home !== undefined) take(home, found);
    return undefined;
  } catch (error) {
    return (error as ShmError).code === 'ENOENT' ? undefined : reasonOf(error);
  }
}

/** @returns the reason for the socket */
async function askAndTake(
  socket: Socket,
  capacity: number,
  options: LinkOptions,
  context: HandshakeContext,
  take: (directory: string, offer: Offer) => void,
): Promise<string | undefined> {
  let home = '';
  const unusable = whyNot(() => (home = regionDirectory(options.directory)));
  if (unusable !== undefined) return unusable;
  sendMessage(socket, HandshakeKind.ask, { capacity, directory: home });
  const { body } = await receiveMessage(socket, [HandshakeKind.offer], context);
  const fallback = readFallback(body, context);
  if (fallback !== undefined) return fallback;
  const offer = readOffer(body, context);
  if (offer.capacity !== capacity) {
    throw protocolError(context, `a region of capacity ${capacity}`, offer.capacity);
  }
  return whyNot(() => take(home, offer));
}

function agreed(
  own: number | undefined,
  hello: Body,
  standard: number,
  context: HandshakeContext,
): number {
  if (hello.capacity !== undefined) {
    return Math.min(readCapacity(hello, context), own ?? mostAsked);
  }
  return Math.min(own ?? standard, mostAsked);
}
