import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { ShmError } from '../../errors.js';
import { Region } from '../../native/region.js';
import { kindOfName } from '../../native/segment.js';
import { Field, headerBytes } from '../layout.js';
import { halves, type RegionMemory } from '../memory.js';
import type { Side } from '../side.js';
import { cleanText } from './messages.js';

/*
 * How the two sides of a link come to hold one region, and how they make sure of it: each
 * writes a proof, random words, through its own mapping, tells it over the socket, and the
 * other reads it through its own. So the two really are one memory, not two files of one
 * name; and each rings the other's doorbell once.
 */

/** One side's two rings in a region. */
export interface Ends {
  /** The sides of the ring to write to and of the one to read from. */
  readonly sides: readonly Side[];
  /** Has a doorbell made and told to the peer. */
  prepare(): void;
  close(): unknown;
}

/** What a link carries: how its two rings are made and taken up. */
export interface Content<E extends Ends> {
  /** Both sides must mean the same, e.g. `stream`. */
  readonly name: string;
  /** Bytes each direction holds where neither side asks for anything. */
  readonly defaultCapacity: number;
  /** Makes the rings and takes the listener's ends. */
  create(output: RegionMemory, input: RegionMemory, capacity: number): E;
  /** Takes the dialer's ends of rings that the listener made. */
  open(output: RegionMemory, input: RegionMemory): E;
}

export interface Shared<E extends Ends> {
  readonly region: Region;
  readonly ends: E;
}

/** Thrown where the two sides cannot share memory, with the reason. */
export class Fallback extends Error {}

const proofWords = 4;

export function newProof(): string {
  return randomBytes(4 * proofWords).toString('hex');
}

/**
 * The listener makes the region.
 *
 * @throws {ShmError} `ENOSPC`, `EACCES`, … ; nothing is left then
 */
export function offerRegion<E extends Ends>(
  content: Content<E>,
  capacity: number,
  directory: string | undefined,
  proof: string,
): Shared<E> {
  const bytes = 2 * (headerBytes + capacity);
  const region = Region.create({ bytes, kind: 'link', ...(directory && { directory }) });
  writeProof(region, Field.listenerProof, proof);
  const [output, input] = halves(region);
  return adopt(region, () => content.create(output, input, capacity));
}

/**
 * The dialer takes up what it was offered, and leaves its own proof.
 *
 * @param path,expected what the listener says, not to be trusted
 * @throws {ShmError} `ENOENT`, `EACCES`, `ERR_UNSAFE_FILE`, …
 * @throws {Fallback} nothing has been changed, in either case
 */
export function takeRegion<E extends Ends>(
  content: Content<E>,
  path: unknown,
  expected: unknown,
  proof: string,
): Shared<E> {
  // A listener could name any file of this user's; only a link's is ever opened.
  if (typeof path !== 'string' || kindOfName(basename(path)) !== 'link') {
    throw new Fallback('expected the path of a link');
  }
  const region = Region.open(path);
  const shared = adopt(region, () => {
    if (region.bytes.length < 2 * headerBytes) throw new Fallback('the region is too short');
    checkProof(region, Field.listenerProof, expected);
    const [input, output] = halves(region);
    return content.open(output, input);
  });
  try {
    checkBells(shared.ends);
  } catch (error) {
    discard(shared);
    throw error;
  }
  writeProof(region, Field.dialerProof, proof);
  return shared;
}

/** The listener makes sure of the dialer. @throws {Fallback} */
export function verify(shared: Shared<Ends>, proof: unknown): void {
  checkProof(shared.region, Field.dialerProof, proof);
  checkBells(shared.ends);
}

export function discard(shared: Shared<Ends>): undefined {
  shared.ends.close();
  shared.region.close(true);
}

/**
 * The listener takes its offer back. It removes the name itself: the last to close would do
 * so too, but a dialer that is being killed may seem to have the region open a moment longer
 * than its socket, and then nobody would be the last.
 */
export function withdraw(shared: Shared<Ends>): undefined {
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
function adopt<E extends Ends>(region: Region, take: () => E): Shared<E> {
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
function checkBells(ends: Ends): void {
  for (const side of ends.sides) {
    if (!side.canRing()) throw new Fallback("the peer's doorbell cannot be reached");
  }
}

function proofBytes(region: Region, field: number): Uint8Array {
  return region.bytes.subarray(field * 4, (field + proofWords) * 4);
}

function writeProof(region: Region, field: number, proof: string): void {
  proofBytes(region, field).set(Buffer.from(proof, 'hex'));
}

function checkProof(region: Region, field: number, expected: unknown): void {
  if (Buffer.from(proofBytes(region, field)).toString('hex') === expected) return;
  throw new Fallback('the two sides see different files under one name');
}
