import { types } from 'node:util';
import { invalidArgument, outOfRange, ShmError } from '../../errors.js';
import type { RangeCodec } from '../codec/types.js';
import { loadWord, storeClaim, storePosition, storeWord } from '../ring/atomics.js';
import { WaitQueue } from '../ring/wait-queue.js';
import { AwaitedReaders } from './awaited-readers.js';
import {
  anchorIndex,
  Counter,
  epochBytes,
  Field,
  Kind,
  maxPayload,
  recordHeaderBytes,
  slices,
} from './layout.js';
import { floatView, recordViews } from './memory.js';
import { findEnd } from './positions.js';
import type { PublisherRole } from './publisher-role.js';
import { ReaderBells } from './reader-bells.js';

export interface WriterOptions<T> {
  readonly capacity: number;
  readonly codec: RangeCodec<T>;
  readonly patience: number;
}

/** Writes the records of a topic. See layout.ts for what stands where, and who may look at it when. */
export class TopicWriter<T> {
  readonly #role: PublisherRole;
  readonly #capacity: number;
  readonly #mask: number;
  readonly #sliceBytes: number;
  readonly #codec: RangeCodec<T>;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #records: Buffer;
  readonly #recordWords: Int32Array;
  readonly #sequences: Float64Array;
  readonly #bells: ReaderBells;
  readonly #awaited: AwaitedReaders;
  readonly #waits: WaitQueue<boolean>;
  /** Low halves: up to where is written, published, and may be written. */
  #tail: number;
  #published: number;
  #claimed: number;
  /** The last in full. */
  #claimedTotal: number;
  #epoch: number;
  /** Low half of the next slice boundary that needs an anchor. */
  #anchored: number;
  #sequence: number;
  /** The longest payload taken; -1 when nothing is, so that one test covers every reason. */
  #maxLength: number;
  #reserved = -1;
  /** The record that was refused, to be waited for. */
  #needed = 0;
  #encoding = false;

  /**
   * Goes on behind the last record that the publisher before has published.
   *
   * @throws {ShmError} `ERR_CORRUPT` where the topic's end cannot be found
   */
  constructor(role: PublisherRole, { capacity, codec, patience }: WriterOptions<T>) {
    const { memory } = role;
    const { words } = memory;
    this.#role = role;
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#sliceBytes = capacity / slices;
    this.#codec = codec;
    this.#words = words;
    this.#floats = floatView(memory);
    ({
      records: this.#records,
      recordWords: this.#recordWords,
      sequences: this.#sequences,
    } = recordViews(memory, capacity));
    this.#bells = new ReaderBells(memory);
    this.#awaited = new AwaitedReaders(memory, capacity, patience);
    this.#maxLength = maxPayload(capacity);
    const end = findEnd(memory, capacity);
    this.#claimedTotal = end.intent;
    this.#claimed = end.intent | 0;
    this.#epoch = loadWord(words, Field.epoch);
    this.#tail = end.position | 0;
    this.#published = this.#tail;
    this.#anchored = (this.#tail + this.#sliceBytes - 1) & -this.#sliceBytes;
    this.#sequence = end.sequence;
    role.look = () => this.#awaited.giveUpOn(this.#end());
    this.#waits = new WaitQueue<boolean>(role, 'topic.ready', () => this.#hasRoom());
  }

  get records(): number {
    return this.#sequence;
  }

  publish(value: T): boolean {
    if (!this.#write(value)) return false;
    this.#publishTail();
    return true;
  }

  publishBatch(values: readonly T[]): number {
    let count = 0;
    try {
      while (count < values.length && this.#write(values[count]!)) count++;
    } finally {
      if (this.#published !== this.#tail && !this.#role.closed) this.#publishTail();
    }
    return count;
  }

  reserve(length: number): Uint8Array | null {
    if (!Number.isInteger(length) || length < 0) {
      throw outOfRange('topic.reserve', 'length', 'a whole number of at least 0', length);
    }
    if (this.#encoding) this.#codec.vacate?.(this.#records);
    const index = this.#claim(length);
    if (index < 0) return null;
    this.#reserved = length;
    this.#maxLength = -1;
    const start = index + recordHeaderBytes;
    return this.#records.subarray(start, start + length);
  }

  commit(length: number = this.#reserved): void {
    if (this.#reserved < 0) {
      this.#checkOpen('commit');
      throw this.#role.error('ERR_NOT_RESERVED', 'commit', 'there is nothing to commit');
    }
    if (!Number.isInteger(length) || length < 0 || length > this.#reserved) {
      const bounds = `a whole number from 0 to ${this.#reserved}`;
      throw outOfRange('topic.commit', 'length', bounds, length);
    }
    this.abort();
    this.#append(this.#tail & this.#mask, length, Kind.data);
    this.#publishTail();
  }

  abort(): void {
    if (this.#reserved < 0) return;
    this.#reserved = -1;
    this.#maxLength = maxPayload(this.#capacity);
  }

  async ready(): Promise<void> {
    this.#checkOpen('ready');
    await this.#waits.add(() => (this.#hasRoom() ? true : undefined), false);
  }

  /** Readers see the end behind the last record. */
  close(): void {
    this.abort();
    if (this.#encoding) this.#codec.vacate?.(this.#records);
    this.#maxLength = -1;
    this.#role.close(() => this.wakeReaders());
    this.#waits.close(this.#role.error('ERR_CLOSED', 'ready', 'the topic was closed'));
    this.#bells.close();
  }

  /** Those that sleep look at the topic. */
  wakeReaders(): void {
    if (loadWord(this.#words, Field.sleepers) !== 0) this.#wake();
  }

  #write(value: T): boolean {
    const { inPlace } = this.#codec;
    if (inPlace > 0 && !this.#encoding && this.#maxLength >= 0) {
      const length = this.#encodeInPlace(value, inPlace);
      if (typeof length === 'number') return length !== -1;
      return this.#copyIn(length);
    }
    // An accessor of a value that is being encoded publishes: what is there of it moves away.
    if (this.#encoding) this.#codec.vacate?.(this.#records);
    return this.#copyIn(this.#codec.encode(value));
  }

  /** @returns -1: no room; bytes: it did not fit in place, and lies there */
  #encodeInPlace(value: T, inPlace: number): number | Uint8Array {
    const index = this.#claim(Math.min(inPlace, this.#maxLength));
    if (index < 0) return this.#codec.encode(value);
    const claimed = (this.#claimed - this.#tail) | 0;
    const room = Math.min(claimed, this.#capacity - index) - recordHeaderBytes;
    const start = index + recordHeaderBytes;
    const end = start + Math.min(room, this.#maxLength);
    this.#encoding = true;
    let encoded: number | Uint8Array;
    try {
      encoded = this.#codec.encodeInto(value, this.#records, start, end);
    } finally {
      this.#encoding = false;
    }
    if (typeof encoded === 'number') this.#append(index, encoded, Kind.data);
    return encoded;
  }

  #copyIn(bytes: Uint8Array): boolean {
    if (!types.isUint8Array(bytes)) {
      throw invalidArgument('topic.publish', 'value', 'a Uint8Array', bytes);
    }
    const { length } = bytes;
    const index = this.#claim(length);
    if (index < 0) return false;
    this.#records.set(bytes, index + recordHeaderBytes);
    this.#append(index, length, Kind.data);
    return true;
  }

  /** Index for a record of `length` payload bytes, which may be overwritten then; -1: held back. */
  #claim(length: number): number {
    if (length > this.#maxLength) throw this.#refuse(length);
    const size = (length + recordHeaderBytes + 15) & -16;
    const index = this.#tail & this.#mask;
    if (size <= this.#capacity - index && ((this.#tail + size - this.#claimed) | 0) <= 0) {
      return index;
    }
    return this.#claimMore(size);
  }

  #claimMore(size: number): number {
    const rest = this.#capacity - (this.#tail & this.#mask);
    if (size > rest) {
      if (!this.#extend(rest)) return -1;
      this.#append(this.#tail & this.#mask, rest - recordHeaderBytes, Kind.padding);
    }
    return this.#extend(size) ? this.#tail & this.#mask : -1;
  }

  /** SYNC overrun, the publisher's side: from here on readers throw away what is overwritten. */
  #extend(size: number): boolean {
    // A reader that was lapped goes on a quarter behind the tail, where all must be published.
    const unpublished = (this.#tail + size - this.#published) | 0;
    if (unpublished > this.#capacity / 4 && this.#published !== this.#tail) this.#publishTail();
    const end = (this.#tail + size + this.#sliceBytes - 1) & -this.#sliceBytes;
    const more = (end - this.#claimed) | 0;
    if (more <= 0) return true;
    if (!this.#awaited.allows(end, this.#claimed)) return this.#held(size);
    this.#claimed = end;
    this.#claimedTotal += more;
    const epoch = Math.floor(this.#claimedTotal / epochBytes) | 0;
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      storeWord(this.#words, Field.epoch, epoch);
    }
    storeClaim(this.#words, Field.intent, end);
    return true;
  }

  #held(size: number): false {
    this.#needed = size;
    this.#floats[Counter.fullCount]!++;
    if (this.#published !== this.#tail) this.#publishTail();
    this.#awaited.giveUpOn(this.#end());
    return false;
  }

  /** What the record that was refused would claim. */
  #end(): number {
    return (this.#tail + this.#needed + this.#sliceBytes - 1) & -this.#sliceBytes;
  }

  #hasRoom(): boolean {
    const end = this.#end();
    return ((end - this.#claimed) | 0) <= 0 || this.#awaited.allows(end, this.#claimed);
  }

  #append(index: number, length: number, kind: number): void {
    const word = index >> 2;
    this.#recordWords[word] = length;
    this.#recordWords[word + 1] = kind;
    const sequence = this.#sequence;
    this.#sequences[(index >> 3) + 1] = sequence;
    const start = this.#tail;
    const tail = (start + ((length + recordHeaderBytes + 15) & -16)) | 0;
    this.#tail = tail;
    if (kind === Kind.data) this.#sequence = sequence + 1;
    if (((tail - this.#anchored) | 0) > 0) this.#writeAnchors(start, sequence);
  }

  /** For each boundary that the record has gone over, or begins at. */
  #writeAnchors(start: number, sequence: number): void {
    const floats = this.#floats;
    for (; ((this.#tail - this.#anchored) | 0) > 0; this.#anchored += this.#sliceBytes) {
      const isHere = this.#anchored === start;
      const low = isHere ? start : this.#tail;
      const at = anchorIndex(this.#anchored, this.#sliceBytes);
      floats[at] = this.#claimedTotal - ((this.#claimed - low) >>> 0);
      floats[at + 1] = isHere ? sequence : this.#sequence;
      this.#anchored |= 0;
    }
    this.#anchored |= 0;
  }

  /** SYNC publish, and the waker's side of SYNC park. */
  #publishTail(): void {
    this.#floats[Counter.records] = this.#sequence;
    this.#published = this.#tail;
    storePosition(this.#words, Field.tail, this.#tail);
    if (loadWord(this.#words, Field.sleepers) !== 0) this.#wake();
    this.#role.checkMemory('publish');
  }

  #wake(): void {
    this.#floats[Counter.wakes]! += this.#bells.wake();
  }

  #checkOpen(operation: string): void {
    if (!this.#role.closed) return;
    throw this.#role.error('ERR_CLOSED', operation, 'the topic was closed');
  }

  #refuse(length: number): ShmError {
    if (this.#role.closed) {
      return this.#role.error('ERR_CLOSED', 'publish', 'the topic was closed');
    }
    if (this.#reserved >= 0) {
      const detail = 'commit or abort the reserved record first';
      return this.#role.error('ERR_RESERVED', 'publish', detail);
    }
    const most = maxPayload(this.#capacity);
    const detail = `a record holds at most ${most} bytes, got ${length}`;
    return this.#role.error('ERR_TOO_LARGE', 'publish', detail);
  }
}
