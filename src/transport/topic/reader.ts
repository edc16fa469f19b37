import { outOfRange, type ShmError } from '../../errors.js';
import { fenceReads, loadPosition } from '../ring/atomics.js';
import { Field, Kind, recordHeaderBytes, slices } from './layout.js';
import { recordViews, type TopicMemory } from './memory.js';
import { Places } from './places.js';
import { loadIntent, loadTail, type Place } from './positions.js';
import type { ReaderSlot } from './reader-slot.js';

/** Where a reader begins. */
export type From = 'now' | 'oldest' | bigint;

/** What a reader missed. */
export interface Gap {
  /** Undefined: a stored position was too old for its records to be counted. */
  readonly records: number | undefined;
  /** How many bytes they took in the topic, headers included. */
  readonly bytes: number;
}

/** Instead of a record's length: there is none. */
export const none = -1;

/** Between two releases of a reader that is waited for, as a part of the capacity. */
const releasesPerLap = slices;

/** Tries to read where the writer overtakes again and again. */
const mostTries = 1000;

/**
 * Follows a topic record by record. What lies there may be overwritten while it is looked at: after
 * each look {@link isLapped} says whether it counted.
 */
export class TopicReader {
  readonly records: Buffer;
  readonly #slot: ReaderSlot;
  readonly #memory: TopicMemory;
  readonly #words: Int32Array;
  readonly #places: Places;
  readonly #recordWords: Int32Array;
  readonly #sequences: Float64Array;
  readonly #capacity: number;
  readonly #mask: number;
  /** Low halves of where the next record starts, and up to where records are known to be there. */
  #head = 0;
  #tail = 0;
  /** A position in full that the head has passed, less than 2^32 ago. */
  #base = 0;
  #sequence = 0;
  #epoch = 0;
  #size = 0;
  #released = 0;
  #noted = 0;
  #missed = 0;
  #discarded = 0;
  #gap: Gap | undefined;

  /** @throws {ShmError} `ERR_OUT_OF_RANGE` where no record of the topic starts at that position */
  constructor(slot: ReaderSlot, capacity: number, from: From) {
    const { memory } = slot;
    this.#slot = slot;
    this.#memory = memory;
    this.#words = memory.words;
    this.#places = new Places(memory, capacity);
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    const views = recordViews(memory, capacity);
    this.records = views.records;
    this.#recordWords = views.recordWords;
    this.#sequences = views.sequences;
    slot.hold(loadTail(this.#words));
    if (from === 'now') this.#beginNow();
    else if (from === 'oldest') this.#goTo(this.#places.oldest());
    else this.#continueFrom(from);
    slot.hold(this.position);
    this.note();
  }

  /**
   * A publisher that is to wait goes on until it sees that, and one claim more, of a quarter of the
   * capacity and a slice at most: unless it is near enough by then, this begins anew.
   */
  #beginNow(): void {
    for (let tries = mostTries; tries > 0; tries--) {
      this.#goTo(this.#places.atTail());
      if (!this.#slot.waits) return;
      this.#slot.hold(this.position);
      if (loadIntent(this.#words) - this.position <= this.#capacity / 2) return;
    }
  }

  /** Where the next record starts, or will. */
  get position(): number {
    return this.#base + ((this.#head - this.#base) >>> 0);
  }

  get discarded(): number {
    return this.#discarded;
  }

  /** What was missed before the record that {@link next} found; it is told once. */
  takeGap(): Gap | undefined {
    const gap = this.#gap;
    this.#gap = undefined;
    return gap;
  }

  get hasGap(): boolean {
    return this.#gap !== undefined;
  }

  /** Whether {@link next} has something to look at. */
  get isBehind(): boolean {
    return this.#head !== this.#tail || this.#refreshTail();
  }

  /**
   * Length of the next record's payload, or {@link none}. Its header is the publisher's word, read
   * once; it is judged only after a look at whether it had been overwritten.
   *
   * @throws {ShmError} `ERR_CORRUPT`
   */
  next(): number {
    for (let tries = mostTries; tries > 0; tries--) {
      if (this.#head === this.#tail && !this.#refreshTail()) return none;
      const index = this.#head & this.#mask;
      const length = this.#recordWords[index >> 2]!;
      const kind = this.#recordWords[(index >> 2) + 1]!;
      const size = (length + recordHeaderBytes + 15) & -16;
      const isSound =
        length >= 0 &&
        size <= this.#capacity - index &&
        size <= ((this.#tail - this.#head) | 0) &&
        this.#sequences[(index >> 3) + 1] === this.#sequence;
      this.#size = size;
      if (isSound && kind === Kind.data) return length;
      if (this.isLapped()) this.lap();
      else if (isSound && kind === Kind.padding) this.#head = (this.#head + size) | 0;
      else this.#damaged(`expected a record, got length ${length}, kind ${kind}`);
    }
    return none;
  }

  /** Where the payload of the record that {@link next} found begins in {@link records}. */
  get offset(): number {
    return (this.#head & this.#mask) + recordHeaderBytes;
  }

  /** The record that {@link next} found is done with. */
  advance(): void {
    this.#head = (this.#head + this.#size) | 0;
    this.#sequence++;
    if (!this.#slot.waits) return;
    if (((this.#head - this.#released) | 0) * releasesPerLap >= this.#capacity) this.release();
  }

  /**
   * SYNC overrun, the reader's side: whether what was read since the last look may have been
   * overwritten meanwhile. Then it counts for nothing.
   */
  isLapped(): boolean {
    fenceReads();
    const intent = loadPosition(this.#words, Field.intent);
    if (this.#words[Field.epoch] === this.#epoch) {
      return ((intent - this.#head) | 0) > this.#capacity;
    }
    return this.#isLappedLater();
  }

  /** The intent has gone on to another epoch: its low half alone does not say how far. */
  #isLappedLater(): boolean {
    const position = this.position;
    this.#base = position;
    this.#epoch = this.#words[Field.epoch]!;
    const intent = loadIntent(this.#words);
    if (intent - position <= this.#capacity) return false;
    this.#epoch = -1; // the low halves cannot be compared yet: each look takes this way
    return true;
  }

  /** Goes on where the writer will not be soon, with a gap. A copy was thrown away. */
  lap(): void {
    this.#discarded++;
    this.#skipTo(this.#places.behindTail());
  }

  #skipTo(place: Place): void {
    const position = this.position;
    const records = place.sequence - this.#sequence;
    const before = this.#gap;
    this.#gap = {
      records:
        before && before.records === undefined ? undefined : (before?.records ?? 0) + records,
      bytes: (before?.bytes ?? 0) + place.position - position,
    };
    this.#missed += records;
    this.#goTo(place);
    this.#slot.hold(place.position);
    this.note();
  }

  #goTo({ position, sequence }: Place): void {
    this.#base = position;
    this.#head = position | 0;
    // Not further: what the tail is now was not looked at together with this.
    this.#tail = this.#head;
    this.#released = this.#head;
    this.#sequence = sequence;
    this.#epoch = -1;
  }

  /** SYNC publish. @returns whether there is something behind the cached tail */
  #refreshTail(): boolean {
    for (let tries = mostTries; tries > 0; tries--) {
      const tail = loadPosition(this.#words, Field.tail);
      const isNear = this.#words[Field.epoch] === this.#epoch;
      if (tail !== this.#head || !isNear) {
        this.#slot.checkMemory('read');
        if (!isNear && this.#isLappedLater()) {
          this.lap();
          continue;
        }
        const ahead = (tail - this.#head) | 0;
        if (ahead < 0 || ahead > this.#capacity || (tail & 15) !== 0) {
          if (!this.isLapped()) throw this.#corrupt(`expected a tail, got ${tail}`);
          this.lap();
          continue;
        }
        this.#tail = tail;
        this.note();
      }
      if (tail !== this.#head) return true;
      if (this.#noted !== this.#head) this.note();
      if (this.#released !== this.#head) this.release();
      return false;
    }
    return false;
  }

  /** Tells the publisher, where it waits for this reader. */
  release(): void {
    this.#released = this.#head;
    this.#slot.release(this.position);
  }

  note(): void {
    this.#noted = this.#head;
    this.#slot.note(this.position, this.#missed, this.#discarded);
  }

  #continueFrom(from: bigint): void {
    const tail = loadTail(this.#words);
    const position = Number(from);
    const isWithin = from >= 0n && position <= tail;
    if (isWithin) this.#slot.hold(position);
    const place = isWithin && this.#places.at(position, tail);
    if (place === false) {
      const expected = `a position of this topic, from 0n to ${tail}n, where a record starts`;
      throw outOfRange('topic.subscribe', 'from', expected, from);
    }
    if (place) return this.#goTo(place);
    const oldest = this.#places.oldest();
    this.#gap = { records: undefined, bytes: oldest.position - position };
    this.#goTo(oldest);
  }

  /**
   * What stands there was not overwritten, and is no record. In a file that a power failure has
   * left in part, what is intact goes on behind a gap.
   *
   * @throws {ShmError} `ERR_CORRUPT`, `ERR_TRUNCATED`
   */
  #damaged(detail: string): void {
    const cut = this.#memory.cut('topic.read');
    if (cut) throw cut;
    const isKept = this.#words[Field.kept] !== 0;
    if (!isKept) throw this.#corrupt(detail);
    this.#skipTo(this.#places.behindDamage({ position: this.position, sequence: this.#sequence }));
  }

  #corrupt(detail: string): ShmError {
    return this.#slot.error('ERR_CORRUPT', 'read', `${detail} at position ${this.position}`);
  }

  /** What a handler looked at in place does not count. */
  overrun(): ShmError {
    const detail = 'what the handler looked at was overwritten meanwhile';
    return this.#slot.error('ERR_OVERRUN', 'drain', detail);
  }
}
