/*
 * Every Atomics call of the transport, so that the ordering can be read in one place.
 *
 * ECMAScript's Atomics are sequentially consistent, which is more than a ring needs in
 * all places but one. The pairs, by name:
 *
 * SYNC publish   The producer writes a record through the plain alias, then stores `tail`
 *                (storePosition). The consumer loads `tail` (loadPosition), then reads the
 *                record. Reordered, the consumer would read bytes not yet written.
 *
 * SYNC release   The consumer reads a record, then stores `head`. The producer loads
 *                `head`, then overwrites. Reordered, the consumer would read bytes of a
 *                later record.
 *
 * SYNC park      The sleeper stores `waiting`, then loads the position it waits on. The
 *                waker stores that position, then loads `waiting`. Each must see the
 *                other's store or have been seen: this store-then-load on both sides is
 *                the one place that needs sequential consistency (Dekker). Reordered, a
 *                sleeper would miss the last publish and sleep on it.
 *
 * SYNC overrun   A topic's publisher stores `intent`, then overwrites old records (storeClaim). Its
 *                reader copies a record, then loads `intent` (fenceReads, loadPosition), and
 *                throws the copy away where it may have been overwritten. Reordered on either
 *                side, it would deliver bytes of two records.
 *
 * The alias and the shared view are two views of the same pages. See ADR-0001 for what
 * the order between them rests on.
 */

/** SYNC publish / SYNC release, the storing side; and SYNC park's first store. */
export function storePosition(words: Int32Array, field: number, position: number): void {
  Atomics.store(words, field, position);
}

/** SYNC publish / SYNC release, the loading side. */
export function loadPosition(words: Int32Array, field: number): number {
  return Atomics.load(words, field);
}

/** A header word other than a position: state, pid, capacity, waiting. */
export function storeWord(words: Int32Array, field: number, value: number): void {
  Atomics.store(words, field, value);
}

export function loadWord(words: Int32Array, field: number): number {
  return Atomics.load(words, field);
}

const never = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread for that many milliseconds: at the end of a process nothing else can wait. */
export function sleepSync(milliseconds: number): void {
  Atomics.wait(never, 0, 0, milliseconds);
}

/** SYNC park, the waker's side: takes the flag, so that one publish rings only once. */
export function takeWord(words: Int32Array, field: number): number {
  return Atomics.exchange(words, field, 0);
}

/**
 * A claim that the writing of records follows: the load keeps what is written behind it on
 * processors that would let plain stores pass a store (arm64). A topic's `intent`.
 */
export function storeClaim(words: Int32Array, field: number, position: number): void {
  Atomics.store(words, field, position);
  Atomics.load(words, field);
}

const fenceWord = new Int32Array(1);
const ordersLoads = process.arch === 'x64' || process.arch === 'ia32';

/**
 * SYNC overrun, the reader's side: what was read plainly before this was read before what is loaded
 * after it. A store does that on arm64; x64 keeps loads in their order by itself.
 */
export function fenceReads(): void {
  if (!ordersLoads) Atomics.store(fenceWord, 0, 0);
}

/** Sets bits of a word that several write; says what it was. */
export function setBits(words: Int32Array, field: number, bits: number): number {
  return Atomics.or(words, field, bits);
}

/** Clears bits of a word that several write. */
export function clearBits(words: Int32Array, field: number, bits: number): void {
  Atomics.and(words, field, ~bits);
}

/** Counts up a word that several write. */
export function countUp(words: Int32Array, field: number): void {
  Atomics.add(words, field, 1);
}

/** Changes a word if it still is what was expected; says whether it did. */
export function replaceWord(
  words: Int32Array,
  field: number,
  expected: number,
  value: number,
): boolean {
  return Atomics.compareExchange(words, field, expected, value) === expected;
}
