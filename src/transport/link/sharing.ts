import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import { ShmError } from '../../errors.js';
import { needBells } from '../../native/doorbell.js';
import { Region } from '../../native/region.js';
import { loadWord } from '../ring/atomics.js';
import { Field, ringHeaderBytes } from '../ring/layout.js';
import { halves, type RegionMemory } from '../ring/memory.js';
import type { RoleHolder } from '../ring/role-holder.js';
import { cleanText } from './handshake-messages.js';

/*
 * How the two sides of a link come to hold one region, and how they make sure of it: each
 * writes a nonce, random words, through its own mapping, tells it over the socket, and the
 * other reads it through its own. So the two really are one memory, not two files of one
 * name; and each rings the other's doorbell once.
 */

/** One side's two rings in a region. */
export interface RingPair {
  /** The sides of the ring to write to and of the one to read from. */
  readonly roles: readonly RoleHolder[];
  /** Has a doorbell made and told to the peer. */
  prepare(): void;
  close(): unknown;
}

/** What a link carries: how its two rings are made and taken up. */
export interface LinkKind<E extends RingPair> {
  /** Both sides must mean the same, e.g. `stream`. */
  readonly name: string;
  /** Bytes each direction holds where neither side asks for anything. */
  readonly defaultCapacity: number;
  /** Makes the rings and takes the dialer's ends. */
  create(output: RegionMemory, input: RegionMemory, capacity: number): E;
  /** Takes the listener's ends of rings that the dialer made. */
  open(output: RegionMemory, input: RegionMemory): E;
}

export interface Shared<E extends RingPair> {
  readonly region: Region;
  readonly ends: E;
}

/** A region that a dialer has made, as it is told to the listener. */
export interface Offer {
  /** Of its file, in the region directory that both sides mean. */
  readonly name: string;
  /** Bytes each direction holds. */
  readonly capacity: number;
  /** What the dialer has written into it. */
  readonly nonce: string;
  /** The region directory as the dialer calls it; absent where that is too long. */
  readonly directory?: string | undefined;
}

/** Thrown where the two sides cannot share memory, with the reason. */
export class Fallback extends Error {}

/** Of a directory's path in an offer, in characters. */
const longestToldDirectory = 200;

const nonceWords = 4;
const noncePattern = /^[0-9a-f]{32}$/;
const linkName = /^link-[0-9a-f]{24}$/;

export function newNonce(): string {
  return randomBytes(4 * nonceWords).toString('hex');
}

export function isNonce(value: unknown): value is string {
  return typeof value === 'string' && noncePattern.test(value);
}

/** Whether a peer's text is the name that this package gives to a link's region. */
export function isLinkName(value: unknown): value is string {
  return typeof value === 'string' && linkName.test(value);
}

/** Bytes of a region whose rings hold `capacity` each. */
export function linkBytes(capacity: number): number {
  return 2 * (ringHeaderBytes + capacity);
}

/**
 * The dialer makes the region, and takes its ends of the rings in it.
 *
 * @throws {ShmError} `ENOSPC`, `EACCES`, … ; nothing is left then
 */
export function makeRegion<E extends RingPair>(
  kind: LinkKind<E>,
  capacity: number,
  directory: string | undefined,
  nonce: string,
): Shared<E> {
  needBells('region.create'); // else both sides use the socket
  const bytes = linkBytes(capacity);
  // Entering all pages at once would be the longest part of a dial, most of which use few.
  const options = { bytes, kind: 'link', lazy: true } as const;
  const region = Region.create({ ...options, ...(directory && { directory }) });
  return adopt(region, () => {
    writeNonce(region, Field.dialerNonce, nonce);
    const [output, input] = halves(region);
    return kind.create(output, input, capacity);
  });
}

export function offerOf(
  { region }: Shared<RingPair>,
  capacity: number,
  nonce: string,
  home = '',
): Offer {
  const directory = home !== '' && home.length <= longestToldDirectory ? home : undefined;
  return { name: basename(region.path), capacity, nonce, directory };
}

/**
 * The listener takes up what it was offered, and leaves its own nonce. Nothing of the file is
 * mapped before it has turned out to be a link's, of this user, of the size that was told.
 *
 * @param early the dialer may have written already, and ended: its bell need not answer
 * @throws {ShmError} `ENOENT`, `EACCES`, `ERR_UNSAFE_FILE`, …
 * @throws {Fallback} nothing has been changed, in either case
 */
export function takeRegion<E extends RingPair>(
  kind: LinkKind<E>,
  directory: string,
  offer: Offer,
  nonce: string,
  early: boolean,
): Shared<E> {
  needBells('region.open');
  const path = join(directory, offer.name);
  const region = Region.open(path, { bytes: linkBytes(offer.capacity), lazy: true });
  const shared = adopt(region, () => {
    checkNonce(region, Field.dialerNonce, offer.nonce);
    const [input, output] = halves(region, 0);
    for (const { words } of [input, output]) {
      // The dialer's have to be finished.
      if (loadWord(words, Field.magic) === 0) throw new Fallback('the region holds no rings');
    }
    return kind.open(output, input);
  });
  try {
    if (!early) checkBells(shared.ends);
    writeNonce(region, Field.listenerNonce, nonce);
    // From here on nothing of the region outlives the two processes.
    region.unlink();
    return shared;
  } catch (error) {
    discard(shared);
    throw error;
  }
}

/** The dialer makes sure of the listener, and perhaps of its doorbells. @throws {Fallback} */
export function verify(shared: Shared<RingPair>, nonce: string, bells: boolean): void {
  checkNonce(shared.region, Field.listenerNonce, nonce);
  if (bells) checkBells(shared.ends);
}

/** Gives back a region of which the peer has no use any more, its name included. */
export function discard(shared: Shared<RingPair>): undefined {
  // The last to close would remove the name too. But a peer that is being killed may seem
  // to have the region open a moment longer than its socket, and then nobody is the last.
  shared.region.unlink();
  shared.ends.close();
  shared.region.close(true);
}

/** What stands in the way of shared memory; any other error is one of the handshake itself. */
export function reasonOf(error: unknown): string {
  if (error instanceof Fallback || error instanceof ShmError) return cleanText(error.message, 400);
  throw error;
}

/** Takes a region's ends; gives everything back where that fails. */
function adopt<E extends RingPair>(region: Region, take: () => E): Shared<E> {
  let ends: E | undefined;
  try {
    ends = take();
    ends.prepare();
    return { region, ends };
  } catch (error) {
    ends?.close();
    region.close(true);
    throw error;
  }
}

/** A peer that cannot be woken would be slow; the socket is better. */
function checkBells(ends: RingPair): void {
  for (const side of ends.roles) {
    if (!side.ringPeer()) throw new Fallback("the peer's doorbell cannot be reached");
  }
}

function nonceBytes(region: Region, field: number): Uint8Array {
  return region.bytes.subarray(field * 4, (field + nonceWords) * 4);
}

function writeNonce(region: Region, field: number, nonce: string): void {
  nonceBytes(region, field).set(Buffer.from(nonce, 'hex'));
}

function checkNonce(region: Region, field: number, expected: string): void {
  if (Buffer.from(nonceBytes(region, field)).toString('hex') === expected) return;
  throw new Fallback('the two sides see different files under one name');
}
