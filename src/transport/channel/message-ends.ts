import type { ShmError } from '../../errors.js';
import type { RangeCodec } from '../codec/types.js';
import type { RecordHandler } from '../ring/consumer.js';
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

/** Where a channel's messages come out; a `Consumer` is one. */
export interface Inlet {
  drain(handler: RecordHandler, limit: number): number;
  waitSync(timeout?: number): boolean;
  read(options: { signal: AbortSignal }): Promise<Uint8Array | null>;
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
  readonly input: Inlet;
  /** What is called when messages, or room, are there; before the two below. */
  listen(received: Notify, drained: Notify): void;
  /** Has `received` called once there is a message, or the end. */
  awaitInput(): void;
  /** Has `drained` called once there is room for `length` bytes, or nobody to read them. */
  awaitRoom(length: number): void;
  /** The peer reads no more. */
  peerEnded(): boolean;
  /** Whether waiting keeps the process alive; at first it does. */
  setRef(refed: boolean): void;
  /** The peer sent what is no message: neither side can go on. `close` follows. */
  poison(): void;
  error(code: string, operation: string, detail: string): ShmError;
  /** The process ends in good order: the peer sees that this end is closed. */
  endAtExit(): void;
  /** What was sent is still delivered. Resolves once this side has nothing more to do for it. */
  close(): Promise<void>;
}
