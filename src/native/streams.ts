import { Readable, Writable } from 'node:stream';
import { outOfRange } from '../errors.js';
import { keepFreedHeap } from './heap.js';

/** As in `node:fs`: positions are bytes of the mapping, `end` is the last byte's. */
export interface ReadStreamOptions {
  /** First byte, at most `length`. @default 0 */
  start?: number;
  /** Last byte, included. @default the last of the mapping */
  end?: number;
  /** Bytes per chunk, and bytes read ahead of the reader. @default 65536 */
  highWaterMark?: number;
  /** Destroys the stream when it aborts. */
  signal?: AbortSignal;
}

export interface WriteStreamOptions {
  /** Where the first byte goes, at most `length`. @default 0 */
  start?: number;
  /** Bytes buffered before `write()` says false. @default 65536 */
  highWaterMark?: number;
  /** Destroys the stream when it aborts. */
  signal?: AbortSignal;
}

/** What is streamed: bytes that can be read and written anywhere. */
export interface RandomAccess {
  readonly length: number;
  readAt(target: Uint8Array, position: number): number;
  writeAt(source: Uint8Array, position: number): number;
}

const defaultChunk = 65536;

/** See `Mapped.createReadStream`. */
export function readStream(mapped: RandomAccess, options: ReadStreamOptions): Readable {
  const { start = 0, end = mapped.length - 1, highWaterMark = defaultChunk } = options;
  checkPosition('createReadStream', 'start', start, mapped.length);
  if (end !== -1) checkPosition('createReadStream', 'end', end, Number.MAX_SAFE_INTEGER);
  checkChunk('createReadStream', highWaterMark);
  const past = Math.min(end + 1, mapped.length);
  let position = start;
  return new Readable({
    highWaterMark,
    ...(options.signal && { signal: options.signal }),
    // Chunks are copies: who keeps one may close the mapping.
    read() {
      try {
        const length = Math.min(highWaterMark, past - position);
        if (length <= 0) {
          this.push(null);
          return;
        }
        keepFreedHeap(length);
        const chunk = Buffer.allocUnsafeSlow(length);
        position += mapped.readAt(chunk, position);
        this.push(chunk);
      } catch (error) {
        this.destroy(error as Error);
      }
    },
  });
}

/** See `Mapped.createWriteStream`. */
export function writeStream(mapped: RandomAccess, options: WriteStreamOptions): Writable {
  const { start = 0, highWaterMark = defaultChunk } = options;
  checkPosition('createWriteStream', 'start', start, mapped.length);
  checkChunk('createWriteStream', highWaterMark);
  let position = start;
  return new Writable({
    highWaterMark,
    ...(options.signal && { signal: options.signal }),
    write(chunk: Buffer, _encoding, done) {
      try {
        position += mapped.writeAt(chunk, position);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

function checkPosition(operation: string, name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= most) return;
  throw outOfRange(operation, name, `a whole number from 0 to ${most}`, value);
}

function checkChunk(operation: string, value: number): void {
  if (Number.isInteger(value) && value > 0) return;
  throw outOfRange(operation, 'highWaterMark', 'a whole number above 0', value);
}
