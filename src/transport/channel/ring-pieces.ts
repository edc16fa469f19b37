import { pieceLength, pieceTotalBytes, RecordKind } from '../ring/layout.js';
import type { Producer } from '../ring/producer.js';
import type { PieceOutlet } from './message-ends.js';

/** Writes long messages into a ring as several records; see ring/layout.ts. */
export class RingPieces implements PieceOutlet {
  readonly longest: number;
  readonly needed: number;
  readonly copies = true;
  readonly #producer: Producer;

  constructor(producer: Producer) {
    this.#producer = producer;
    this.longest = producer.maxLength;
    this.needed = pieceLength(producer.records.length);
  }

  /** SYNC publish for each piece: the reader empties one while this side fills the next. */
  write(bytes: Uint8Array, at: number, total?: number): number {
    const producer = this.#producer;
    producer.roleHolder.checkUsable('write');
    const { records } = producer;
    while (at < bytes.length) {
      const head = total === undefined ? 0 : pieceTotalBytes;
      const length = Math.min(this.needed, head + bytes.length - at);
      const start = producer.tryReserveRange(length);
      if (start < 0) break;
      if (total !== undefined) records.writeDoubleLE(total, start);
      const end = at + length - head;
      records.set(bytes.subarray(at, end), start + head);
      producer.commitPiece(length, head > 0 ? RecordKind.firstPiece : RecordKind.piece);
      at = end;
      total = undefined;
    }
    return at;
  }

  abort(): boolean {
    if (this.#producer.tryReserveRange(0) < 0) return false;
    this.#producer.commitPiece(0, RecordKind.abort);
    return true;
  }

  waitSync(timeout: number): boolean {
    const { roleHolder } = this.#producer;
    const ready = () => this.#producer.hasRoom(this.needed) || roleHolder.peerEnded();
    return roleHolder.waitSync('writeSync', ready, timeout);
  }
}
