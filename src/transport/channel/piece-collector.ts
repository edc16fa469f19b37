import type { ShmError } from '../../errors.js';
import { pieceTotalBytes, RecordKind } from '../ring/layout.js';
import type { PieceCollector } from '../ring/record-handlers.js';
import { Assembly } from './assembly.js';

/** Puts long messages together from their records in a ring; see ring/layout.ts. */
export class RingPieceCollector implements PieceCollector {
  readonly #most: number;
  readonly #corrupt: (detail: string) => ShmError;
  readonly #assembly = new Assembly();

  /**
   * @param most bytes of a message
   * @param corrupt makes the error, for the peer too
   */
  constructor(most: number, corrupt: (detail: string) => ShmError) {
    this.#most = most;
    this.#corrupt = corrupt;
  }

  get active(): boolean {
    return this.#assembly.active;
  }

  take(kind: number, bytes: Buffer, offset: number, length: number): Buffer | undefined {
    const assembly = this.#assembly;
    const end = offset + length;
    if ((kind === RecordKind.firstPiece) === assembly.active) {
      throw this.#corrupt(
        `expected ${assembly.active ? 'more of' : 'the first'} piece, got ${kind}`,
      );
    }
    if (kind === RecordKind.abort) {
      assembly.clear();
      return undefined;
    }
    if (kind === RecordKind.firstPiece) {
      this.#begin(bytes, offset, length);
      offset += pieceTotalBytes;
    }
    if (end - offset > assembly.missing) {
      const { missing } = assembly;
      assembly.clear();
      throw this.#corrupt(`expected ${missing} bytes more at most, got ${end - offset}`);
    }
    return assembly.add(bytes, offset, end);
  }

  #begin(bytes: Buffer, offset: number, length: number): void {
    if (length <= pieceTotalBytes) {
      throw this.#corrupt(`expected more than ${pieceTotalBytes} bytes, got ${length}`);
    }
    const total = bytes.readDoubleLE(offset);
    if (!Number.isSafeInteger(total) || total < 1 || total > this.#most) {
      throw this.#corrupt(
        `expected a message of 1 to ${this.#most} bytes (maxMessage), got ${total}`,
      );
    }
    this.#assembly.begin(total);
  }
}
