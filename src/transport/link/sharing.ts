import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { ShmError } from '../../errors.js';
import { Region } from '../../native/region.js';
import { kindOfName } from '../../native/segment.js';
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
  /** Makes the rings and takes the listener's ends. */
  create(output: RegionMemory, input: RegionMemory, capacity: number): E;
  /** Takes the dialer's ends of rings that the listener made. */
  open(output: RegionMemory, input: RegionMemory): E;
}

export interface Shared<E extends RingPair> {
  readonly region: Region;
  readonly ends: E;
}

/** Thrown where the two sides cannot share memory, with the reason. */
export class Fallback extends Error {}

const nonceWords = 4;

export function newNonce(): string {
  return randomBytes(4 * nonceWords).toString('hex');
}

/**
 * The listener makes the region.
 *
 * @throws {ShmError} `ENOSPC`, `EACCES`, … ; nothing is left then
 */
export function offerRegion<E extends RingPair>(
  content: LinkKind<E>,
  capacity: number,
  directory: string | undefined,
  nonce: string,
): Shared<E> {
  const bytes = 2 * (ringHeaderBytes + capacity);
  const region = Region.create({ bytes, kind: 'link', ...(directory && { directory }) });
  writeNonce(region, Field.listenerNonce, nonce);
  const [output, input] = halves(region);
  return adopt(region, () => content.create(output, input, capacity));
}

/**
 * The dialer takes up what it was offered, and leaves its own nonce.
 *
 * @param path,expected what the listener says, not to be trusted
 * @throws {ShmError} `ENOENT`, `EACCES`, `ERR_UNSAFE_FILE`, …
 * @throws {Fallback} nothing has been changed, in either case
 */
export function takeRegion<E extends RingPair>(
  content: LinkKind<E>,
  path: unknown,
  expected: unknown,
  nonce: string,
): Shared<E> {
  // A listener could name any file of this user's; only a link's is ever opened.
  if (typeof path !== 'string' || kindOfName(basename(path)) !== 'link') {
    throw new Fallback('expected the path of a link');
  }
  const region = Region.open(path);
  const shared = adopt(region, () => {
    if (region.bytes.length < 2 * ringHeaderBytes) throw new Fallback('the region is too short');
    checkNonce(region, Field.listenerNonce, expected);
    const [input, output] = halves(region);
    return content.open(output, input);
  });
  try {
    checkBells(shared.ends);
  } catch (error) {
    discard(shared);
    throw error;
  }
  writeNonce(region, Field.dialerNonce, nonce);
  return shared;
}

/** The listener makes sure of the dialer. @throws {Fallback} */
export function verify(shared: Shared<RingPair>, nonce: unknown): void {
  checkNonce(shared.region, Field.dialerNonce, nonce);
  checkBells(shared.ends);
}

export function discard(shared: Shared<RingPair>): undefined {
  shared.ends.close();
  shared.region.close(true);
}

/**
 * The listener takes its offer back. It removes the name itself: the last to close would do
 * so too, but a dialer that is being killed may seem to have the region open a moment longer
 * than its socket, and then nobody would be the last.
 */
export function withdraw(shared: Shared<RingPair>): undefined {
  try {
    shared.region.unlink();
  } finally {
    discard(shared);
  }
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

function checkNonce(region: Region, field: number, expected: unknown): void {
  if (Buffer.from(nonceBytes(region, field)).toString('hex') === expected) return;
  throw new Fallback('the two sides see different files under one name');
}
