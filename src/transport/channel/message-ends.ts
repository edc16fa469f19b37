import type { ShmError } from '../../errors.js';
import type { RangeCodec } from '../codec/types.js';
import type { RecordHandler } from '../ring/record-handlers.js';
import type { Notify } from '../link/linked-rings.js';

/** Where a channel's messages go in; a `Producer` is one. */
export interface Outlet {
  /** Room in place for at least `least` bytes, as an offset in `records`; -1: none. */
  tryReserveRange(least: number): number;
  readonly records: Buffer;
  readonly reserved: number;
  commit(length: number): void;
  abort(): void;
  /** False: full, nothing written. */
  tryWrite(bytes: Uint8Array): boolean;
  writeSync(bytes: Uint8Array, timeout?: number): boolean;
  hasRoom(length: number): boolean;
}

/** Where messages that are too long for one record go in, in pieces. */
export interface PieceOutlet {
  /** Bytes of the longest message that needs no pieces. */
  readonly longest: number;
  /** Room to wait for until a piece goes in. */
  readonly needed: number;
  /** Bytes have left when {@link write} returns; if not, they must stay as they are. */
  readonly copies: boolean;
  /**
   * Puts in what there is room for.
   *
   * @param at where to go on
   * @param total at the beginning of a message: its length
   * @returns where to go on the next time; `at`: there is no room
   * @throws {ShmError} `ERR_CLOSED`, `ERR_CORRUPT`
   */
  write(bytes: Uint8Array, at: number, total?: number): number;
  /** The message that has begun will not be finished. False: there is no room to say so. */
  abort(): boolean;
  /** Blocks until there is room for a piece, or nobody to read it; absent where nothing can block. */
  waitSync?(timeout: number): boolean;
}

/** Where a channel's messages come out; a `Consumer` is one. */
export interface Inlet {
  drain(handler: RecordHandler, limit: number): number;
  waitSync(timeout?: number): boolean;
  /** Resolves once `drain` would find something, which may be a part of a message; null: the end. */
  readable(options: { signal: AbortSignal }): Promise<unknown>;
  /** Whether there is a message, or the end. */
  readonly ready: () => boolean;
  /** See {@link decodeMessage}. @throws {ShmError} `ERR_TRUNCATED` */
  checkMemory(): void;
  /** The peer closed in good order, and all it had sent has been taken out. */
  readonly ended: boolean;
}

/**
 * A message where it lies. Whether its memory was there all the time is known only afterwards: a
 * file that was cut meanwhile shows zeros.
 *
 * @throws {ShmError} `ERR_TRUNCATED`; what the codec throws
 */
export function decodeMessage<T>(
  input: Inlet,
  codec: RangeCodec<T>,
  bytes: Buffer,
  offset: number,
  length: number,
): T {
  try {
    return codec.decode(bytes, offset, offset + length);
  } finally {
    input.checkMemory();
  }
}

/** One end of a channel: over two rings, or over a socket. */
export interface MessageEnds {
  readonly output: Outlet;
  readonly pieces: PieceOutlet;
  readonly input: Inlet;
  /** A message has begun to come, and is not whole. */
  readonly isPartial: boolean;
  /** What is called when messages, or room, are there; before the two below. */
  listen(received: Notify, drained: Notify): void;
  /** Has `received` called once there is a message, or the end. */
  awaitInput(): void;
  /** Has `drained` called once there is room for `length` bytes, or nobody to read them. */
  awaitRoom(length: number): void;
  /** The peer reads no more. */
  peerEnded(): boolean;
  /**
   * Whether waiting keeps the process alive; at first it does.
   *
   * @param listens whether somebody waits for messages; else only a connection keeps it alive
   */
  setRef(refed: boolean, listens: boolean): void;
  /** The peer sent something that is not a message: neither side can go on. `close` follows. */
  poison(): void;
  error(code: string, operation: string, detail: string): ShmError;
  /** The process ends in good order: the peer sees that this end is closed. */
  endAtExit(): void;
  /** Reads no more, so that a peer which waits for room need not. */
  stopReading(): void;
  /** What was sent is still delivered. Resolves once this side has nothing more to do for it. */
  close(): Promise<void>;
}
