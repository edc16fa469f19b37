import { replaceWord, storeWord } from '../../src/transport/ring/atomics.js';
import { Field } from '../../src/transport/ring/layout.js';
import type { RingMemory, Role } from '../../src/transport/ring/memory.js';

/** A ring in JavaScript's own memory, which needs no native code. */
export class HeapMemory implements RingMemory {
  readonly words: Int32Array;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly address = 'heap';
  static readonly #lockField: Record<Role, number> = {
    producer: Field.producerLock,
    consumer: Field.consumerLock,
  };

  constructor(buffer: SharedArrayBuffer, offset = 0, bytes = buffer.byteLength - offset) {
    this.words = new Int32Array(buffer, offset, bytes >> 2);
    // Typed arrays take either kind of buffer; the cast only spares a second type everywhere.
    this.plain = new Uint8Array(buffer as unknown as ArrayBuffer, offset, bytes);
  }

  wait(field: number, expected: number, timeout: number): boolean {
    // Keyed by its address in this process, which is enough here: no other one maps it.
    return Atomics.wait(this.words, field, expected, timeout) !== 'timed-out';
  }

  wake(field: number): void {
    Atomics.notify(this.words, field);
  }

  tryLock(role: Role): boolean {
    return replaceWord(this.words, HeapMemory.#lockField[role], 0, 1);
  }

  unlock(role: Role): void {
    storeWord(this.words, HeapMemory.#lockField[role], 0);
  }

  isLocked(role: Role): boolean {
    return !replaceWord(this.words, HeapMemory.#lockField[role], 0, 0);
  }

  readonly changes = new Int32Array(1);
  readonly last = this.changes;
  readonly lastValue = undefined;

  fault(): undefined {}

  cut(): undefined {}

  populate(): void {}

  close(): void {}
}
