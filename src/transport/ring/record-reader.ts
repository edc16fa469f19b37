import { recordAlignment, RecordKind, recordHeaderBytes } from './layout.js';
import { recordViews, type RingMemory } from './memory.js';
import type { PieceCollector } from './record-handlers.js';
import { RingReader } from './ring-reader.js';
import type { RoleClaim } from './role-holder.js';

/** Instead of a record's length: there is none. */
export const none = -1;

/** What a consumer does record by record: finds the next one, moves over it, gives its room back. */
export abstract class RecordReader extends RingReader {
  /** @internal The record area. */
  protected readonly records: Buffer;
  /** @internal Positions of borrowed records, oldest first; the head cannot go beyond the first. */
  protected readonly borrowed: { position: number }[] = [];
  readonly #recordWords: Int32Array;
  readonly #mask: number;
  /** Others may cut the ring's file at any time: its end is checked for each record. @internal */
  protected readonly isKept: boolean;
  readonly #pieces: PieceCollector | undefined;
  /** The kind of the next piece. */
  #pieceKind = 0;
  /**
   * The kind of a record that may come whole; 0, which no record has, while a message comes in
   * pieces.
   */
  #dataKind: number = RecordKind.data;

  /** @internal */
  constructor(memory: RingMemory, capacity: number, claim: RoleClaim, pieces?: PieceCollector) {
    super(memory, capacity, claim);
    const { records, recordWords } = recordViews(memory, capacity);
    this.records = records;
    this.#recordWords = recordWords;
    this.#mask = capacity - 1;
    this.isKept = memory.lastValue !== undefined;
    this.#pieces = pieces;
  }

  /** @internal Moves over a record of this length; says where its payload lies. */
  protected take(length: number): number {
    const offset = (this.head & this.#mask) + recordHeaderBytes;
    this.head =
      (this.head + ((length + recordHeaderBytes + recordAlignment - 1) & -recordAlignment)) | 0;
    this.count++;
    return offset;
  }

  /**
   * @internal The message that is whole with the piece at `head`, of this length; undefined if it
   * is not.
   */
  protected collect(length: number): Buffer | undefined {
    const pieces = this.#pieces!;
    const offset = this.take(length);
    try {
      return pieces.take(this.#pieceKind, this.records, offset, length);
    } finally {
      this.#dataKind = pieces.active ? 0 : RecordKind.data;
    }
  }

  /**
   * Length of the record at `head`, or `none` where the ring is empty; goes over padding. Of a piece
   * of a long message it is `none - 1 - length`, so that one test finds whole records. The
   * header is the producer's word: each field is read once and checked before use.
   *
   * @internal
   */
  protected next(): number {
    for (;;) {
      if (this.head === this.tail && !this.refreshTail(recordAlignment)) {
        // Padding alone must go back too: the producer may wait for just that.
        if (this.released !== this.head && this.borrowed.length === 0) this.giveBack();
        return none;
      }
      const index = this.head & this.#mask;
      const length = this.#recordWords[index >> 2]!;
      const kind = this.#recordWords[(index >> 2) + 1]!;
      const size = (length + recordHeaderBytes + recordAlignment - 1) & -recordAlignment;
      if (
        length < 0 ||
        length > this.size ||
        size > ((this.tail - this.head) | 0) ||
        size > this.size - index
      ) {
        throw this.#corrupt(`expected a length within ${this.size - index}`, length);
      }
      if (this.isKept) this.roleHolder.checkWhole('read');
      if (kind === this.#dataKind) return length;
      if (kind !== RecordKind.padding) {
        if (!isPiece(kind) || !this.#pieces) throw this.#corrupt('expected a record kind', kind);
        this.#pieceKind = kind;
        return none - 1 - length;
      }
      this.head = (this.head + size) | 0;
    }
  }

  /** @internal SYNC release, and the waker's side of SYNC park. */
  protected giveBack(): void {
    this.releaseTo(this.borrowed.length === 0 ? this.head : this.borrowed[0]!.position);
    this.roleHolder.wakePeer();
  }

  #corrupt(expected: string, got: number): Error {
    const where = `at position ${this.head}`;
    return this.roleHolder.poison('read', `${expected} ${where}, got ${got}`);
  }
}

function isPiece(kind: number): boolean {
  return kind === RecordKind.firstPiece || kind === RecordKind.piece || kind === RecordKind.abort;
}
