/**
 * Called once per record by {@link Consumer.drain}: the payload is `length` bytes from
 * `offset` on, valid during the call only. False ends the drain after this record.
 */
export type RecordHandler = (bytes: Buffer, offset: number, length: number) => unknown;

/**
 * A record left where it lies in the ring, from {@link Consumer.borrow}: `length` bytes
 * from `offset` on in `Ring.buffer`. Valid until released.
 */
export interface BorrowedRecord {
  /** Bytes from the start of `Ring.buffer`; what to tell a thread that has the buffer. */
  readonly offset: number;
  /** Bytes of the payload. */
  readonly length: number;
  /** The payload, in place. Do not keep it beyond {@link release}. */
  readonly bytes: Uint8Array;
  /** Gives the space back to the producer. A second call does nothing. */
  release(): void;
}

/** Puts the pieces of long messages together, for the reader of a channel's ring. */
export interface PieceCollector {
  /** A message has begun and is not whole yet. */
  readonly active: boolean;
  /**
   * Takes a record of a kind that only channels have; the kind and the bytes are the peer's word.
   *
   * @returns the whole message in memory of its own, where this was its last piece
   * @throws {ShmError} where the record makes no sense, or there is no memory for it
   */
  take(kind: number, bytes: Buffer, offset: number, length: number): Buffer | undefined;
}
