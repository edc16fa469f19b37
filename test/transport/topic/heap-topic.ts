import { rangeCodec } from '../../../src/transport/codec/codec.js';
import { formatHeader, topicBytes } from '../../../src/transport/topic/header.js';
import { storeWord } from '../../../src/transport/ring/atomics.js';
import {
  anchorIndex,
  codecNumbers,
  Counter,
  epochBytes,
  Field,
  headerBytes,
  slices,
} from '../../../src/transport/topic/layout.js';
import type { TopicMemory } from '../../../src/transport/topic/memory.js';
import { PublisherRole } from '../../../src/transport/topic/publisher-role.js';
import { type From, none, TopicReader } from '../../../src/transport/topic/reader.js';
import { ReaderSlot } from '../../../src/transport/topic/reader-slot.js';
import { TopicWriter } from '../../../src/transport/topic/writer.js';

const codec = rangeCodec<Uint8Array>('bytes');

/** A topic in JavaScript's own memory; its locks are those of this object, as of one process. */
export class HeapTopic implements TopicMemory {
  readonly words: Int32Array;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly address = 'heap';
  readonly changes = new Int32Array(1);
  readonly #locks = new Set<number>();

  constructor(
    readonly capacity: number,
    readonly buffer = new SharedArrayBuffer(topicBytes({ capacity, kept: false })),
  ) {
    this.words = new Int32Array(buffer);
    this.plain = new Uint8Array(buffer as unknown as ArrayBuffer);
  }

  static make(capacity: number): HeapTopic {
    const topic = new HeapTopic(capacity);
    const constants = { name: 'heap', capacity, kept: false, codec: codecNumbers.bytes };
    formatHeader(topic.words, topic.plain, constants);
    return topic;
  }

  /** As if so many bytes, and records, had been published; all positions are at slice boundaries or not. */
  startAt(position: number, records = 0): void {
    const floats = new Float64Array(this.buffer, 0, headerBytes / 8);
    const sliceBytes = this.capacity / slices;
    for (let i = 0; i < slices; i++) {
      // All slices: the boundaries before have no record behind them but the next one.
      const boundary = Math.floor(position / sliceBytes) * sliceBytes - i * sliceBytes;
      const at = anchorIndex(boundary, sliceBytes);
      floats[at] = position;
      floats[at + 1] = records;
    }
    floats[Counter.records] = records;
    storeWord(this.words, Field.epoch, Math.floor(position / epochBytes));
    storeWord(this.words, Field.intent, (Math.ceil(position / sliceBytes) * sliceBytes) | 0);
    storeWord(this.words, Field.tail, position | 0);
  }

  /** What would be left if every process were killed now. */
  remains(): HeapTopic {
    return new HeapTopic(this.capacity, this.buffer.slice(0));
  }

  publisher(patience = 0): TopicWriter<Uint8Array> {
    const role = new PublisherRole(this, 0);
    const writer = new TopicWriter(role, { capacity: this.capacity, codec, patience });
    role.attach();
    return writer;
  }

  subscribe(from: From, waits = false): { slot: ReaderSlot; reader: TopicReader } {
    const slot = new ReaderSlot(this, 0, waits);
    return { slot, reader: new TopicReader(slot, this.capacity, from) };
  }

  tryLock(lock: number): boolean {
    if (this.#locks.has(lock)) return false;
    this.#locks.add(lock);
    return true;
  }

  unlock(lock: number): void {
    this.#locks.delete(lock);
  }

  isLocked(lock: number): boolean {
    return this.#locks.has(lock);
  }

  wait(): void {}
  wake(): void {}
  fault(): undefined {}
  cut(): undefined {}
  close(): void {}
}

/** Copies of all records that are there. */
export function readAll(reader: TopicReader): Buffer[] {
  const all: Buffer[] = [];
  for (let length; (length = reader.next()) !== none;) {
    all.push(Buffer.from(reader.records.subarray(reader.offset, reader.offset + length)));
    reader.advance();
  }
  return all;
}
