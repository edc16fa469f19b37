import { createReadStream, createWriteStream, type ReadStream, type WriteStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { outOfRange, systemError } from '../errors.js';
import { keepFreedHeap } from './heap.js';
import { maxLength } from './limits.js';
import type { MappedView } from './mapped-view.js';
import { sync } from './pages.js';

/** Those of `fs.createReadStream` that say nothing of a path; positions are bytes of the mapping. */
export interface ReadStreamOptions {
  /** First byte. @default 0 */
  start?: number | undefined;
  /** Last byte, included; Infinity for the last of the mapping. @default Infinity */
  end?: number | undefined;
  /** Bytes per chunk, and bytes read ahead of the reader. @default 65536 */
  highWaterMark?: number | undefined;
  /** Gives strings instead of Buffers. */
  encoding?: BufferEncoding | null | undefined;
  /** Destroys the stream when it aborts. */
  signal?: AbortSignal | null | undefined;
  /** Whether the stream destroys itself at its end. @default true */
  autoClose?: boolean | undefined;
  /** Whether it emits 'close'. @default true */
  emitClose?: boolean | undefined;
}

/** Those of `fs.createWriteStream` that say nothing of a path. */
export interface WriteStreamOptions {
  /** Where the first byte goes. @default 0 */
  start?: number | undefined;
  /** Bytes buffered before `write()` says false. @default 16384 */
  highWaterMark?: number | undefined;
  /** Of strings that are written. @default 'utf8' */
  encoding?: BufferEncoding | null | undefined;
  /** Destroys the stream when it aborts. */
  signal?: AbortSignal | null | undefined;
  /** Whether the stream destroys itself at its end. @default true */
  autoClose?: boolean | undefined;
  /** Whether it emits 'close'. @default true */
  emitClose?: boolean | undefined;
  /** Writes to the device before 'finish', as {@link Mapped.sync} does. @default false */
  flush?: boolean | undefined;
}

/*
 * The streams are those of node:fs, which handle options, events and the end of the stream; only
 * where bytes come from and go to is ours. The descriptor is not a real one, so that code that
 * finds it in a stream and closes it closes no other file.
 */

const noDescriptor = 2 ** 31 - 1;

/** See `Mapped.createReadStream`. */
export function readStream(
  view: MappedView,
  given: ReadStreamOptions | BufferEncoding | null | undefined,
): Readable {
  const operation = 'createReadStream';
  const options = optionsOf(view, operation, given);
  let stream: ReadStream;
  try {
    const fs = { open: refuse, read: refuse, close: closeNothing };
    stream = createReadStream('', Object.assign(options, { fd: noDescriptor, fs }));
  } catch (cause) {
    throw systemError(cause, nameOf(view, operation), view.source.address);
  }
  const { start = 0, end = Infinity } = options as ReadStreamOptions;
  const past = Math.min(end + 1, view.source.length);
  let position = start;
  // Chunks are copies: a caller may keep one and close the mapping.
  stream._read = size => {
    try {
      // As node:fs, which knows the end that was asked for and not the file's.
      if (Math.min(size, end + 1 - position) > maxLength) {
        throw outOfRange(nameOf(view, operation), 'highWaterMark', `at most ${maxLength}`, size);
      }
      const length = Math.min(size, past - position);
      if (length <= 0) {
        stream.push(null);
        return;
      }
      keepFreedHeap(length);
      const chunk = Buffer.allocUnsafeSlow(length);
      const count = view.copyOut(operation, chunk, position);
      // A file that was cut within its last page shows zeros there, and no page is lost.
      view.checkLength(operation);
      position += count;
      stream.bytesRead += count;
      stream.push(chunk);
    } catch (error) {
      stream.destroy(error as Error);
    }
  };
  return stream;
}

/** See `Mapped.createWriteStream`. */
export function writeStream(
  view: MappedView,
  given: WriteStreamOptions | BufferEncoding | null | undefined,
): Writable {
  const operation = 'createWriteStream';
  const options = optionsOf(view, operation, given);
  let stream: WriteStream;
  try {
    const fs = { open: refuse, write: refuse, fsync: flush, close: closeNothing };
    stream = createWriteStream('', Object.assign(options, { fd: noDescriptor, fs }));
  } catch (cause) {
    throw systemError(cause, nameOf(view, operation), view.source.address);
  }
  let { start: position = 0 } = options as WriteStreamOptions;
  stream._write = (chunk: Buffer, _encoding, done) => {
    try {
      const count = view.copyIn(operation, chunk, position);
      if (count < chunk.length) throw view.shortWrite(operation, chunk.length, count);
      view.checkLength(operation);
      position += count;
      stream.bytesWritten += count;
      done();
    } catch (error) {
      done(error as Error);
    }
  };
  return stream;

  function flush(_fd: number, done: (error?: Error) => void): void {
    try {
      sync(view, {});
      done();
    } catch (error) {
      done(error as Error);
    }
  }
}

function nameOf({ source }: MappedView, operation: string): string {
  return `${source.kind}.${operation}`;
}

type Options = Record<string, unknown>;

/** A copy, as node:fs takes it: an encoding may stand for all, and nothing for none. */
function optionsOf(view: MappedView, operation: string, given: unknown): Options {
  if (given === null || given === undefined) return {};
  if (typeof given === 'string') return { encoding: given };
  if (typeof given !== 'object') {
    const detail = `options must be an object or an encoding, got ${typeof given}`;
    throw view.error('ERR_INVALID_ARG_TYPE', detail, operation);
  }
  const copy: Options = {};
  // With what it inherits, as node:fs does.
  for (const name in given) copy[name] = (given as Options)[name];
  return copy;
}

function closeNothing(_fd: number, done: (error?: Error | null) => void): void {
  done(null);
}

/** Never called; node:fs asks for it. */
function refuse(): void {}
