import { types } from 'node:util';
import { invalidArgument, outOfRange, ShmError } from '../errors.js';
import { Access, type NativeMapping, stateChanges } from './addon.js';
import { lostPages, shorterThan } from './truncation.js';
import { aBoolean, checkedLater, checkObject, checkOptions, notConstructed } from './arguments.js';
import { trace } from './trace.js';
import { plainBytes, sharedBuffer } from './views.js';

/** What a mapping is made of; see {@link MappedView}. */
export interface MappingInfo {
  /** Undefined where there is nothing: an empty segment taken up from another thread. */
  native: NativeMapping | undefined;
  /** Bytes mapped; where 0, `native` has a file but no pages. */
  length: number;
  /** Where they begin in the file. */
  offset: number;
  /** One of {@link Access}. */
  access: number;
  /** What errors call it. */
  address: string;
  /** What errors call the operations: `file` gives `file.read`. */
  kind: 'file' | 'mem';
}

// On all other processors, Atomics on a word that is not aligned fault.
const anyAlignment = process.arch === 'x64' || process.arch === 'ia32';

/**
 * One thread's hold on a mapping: its views, whether they may still be used, and what a
 * call has to check before and after it touches them.
 */
export class MappedView {
  readonly source: MappingInfo;
  closed = false;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #buffer: SharedArrayBuffer | undefined;
  /** `stateChanges` when this mapping was last looked at; -1 when it is truncated. */
  #seen: number;
  #restricted = false;

  constructor(source: MappingInfo) {
    if (!source?.kind) notConstructed('MapFile or MapMem', 'openFile(path) or openMem()');
    this.source = source;
    // In another thread this mapping may have had a fault or been protected already.
    this.#seen = source.length === 0 ? stateChanges[0]! : -2;
  }

  get writable(): boolean {
    return this.source.access !== Access.read;
  }

  /** Made when first asked for, so that opening and closing alone stays cheap. */
  bytes(operation: string): Uint8Array<ArrayBuffer> {
    this.check(operation);
    const { native, length } = this.source;
    if (length === 0) return (this.#bytes ??= new Uint8Array(0));
    // Without a length where somebody has transferred its buffer; the pages are there still.
    if (this.#bytes?.length !== length) this.#bytes = plainBytes(native!);
    return this.#bytes;
  }

  buffer(operation: string): SharedArrayBuffer {
    this.check(operation);
    if (this.#buffer) return this.#buffer;
    if (this.source.length === 0) return (this.#buffer = new SharedArrayBuffer(0));
    if (this.source.offset % 8 !== 0 && !anyAlignment) {
      const detail = `expected an offset that is a multiple of 8 for shared memory on ${process.arch}, got ${this.source.offset}`;
      throw this.error('ERR_UNALIGNED', detail, operation);
    }
    // V8 counts the memory behind an ArrayBuffer, and not that behind a SharedArrayBuffer.
    this.bytes(operation);
    return (this.#buffer = sharedBuffer(this.source.native!));
  }

  /**
   * The handle, for calls on pages; undefined where there are none.
   *
   * @throws {ShmError} `ERR_CLOSED`, `ERR_TRUNCATED`
   */
  pages(operation: string): NativeMapping | undefined {
    this.check(operation);
    return this.source.length === 0 ? undefined : this.source.native;
  }

  /**
   * Before a call, and after it has touched pages: a fault there gave it zeros.
   *
   * @throws {ShmError} `ERR_CLOSED`, `ERR_TRUNCATED`
   */
  check(operation: string): void {
    if (this.closed) throw this.error('ERR_CLOSED', 'it has been closed', operation);
    if (stateChanges[0] !== this.#seen) this.#look(operation);
  }

  #look(operation: string): void {
    const { native, length } = this.source;
    if (native === undefined || length === 0) return;
    const seen = stateChanges[0]!;
    if (this.#seen === -1 || native.faulted()) throw this.#truncated(operation);
    this.#restricted = native.restricted();
    this.#seen = seen;
  }

  #truncated(operation: string): ShmError {
    const { native, offset, length, address, kind } = this.source;
    if (this.#seen !== -1) {
      trace('truncated', { operation: `${kind}.${operation}`, address, length });
    }
    this.#seen = -1;
    return lostPages(native!.fd, offset, length, `${kind}.${operation}`, address);
  }

  /** What errors call an operation: `file.read`. */
  called(operation: string): string {
    return `${this.source.kind}.${operation}`;
  }

  /** Asks the file how long it is: for calls that make a system call anyway. */
  checkLength(operation: string): void {
    const { native, offset, length, address, kind } = this.source;
    if (native === undefined || native.fd === -1 || length === 0) return;
    if (shorterThan(native.fd, offset + length, `${kind}.${operation}`, address)) {
      throw this.#truncated(operation);
    }
  }

  /** After {@link check}: what `protect` has taken away must not be touched. */
  permit(operation: string, offset: number, length: number, write: boolean): void {
    if (!this.#restricted || this.source.native!.permits(offset, length, write ? 1 : 0)) return;
    const wanted = write ? 'writable' : 'readable';
    throw this.error('EACCES', `expected ${wanted} pages, got protected ones`, operation);
  }

  /** @throws {ShmError} `EBADF` */
  needWritable(operation: string): void {
    if (this.writable) return;
    throw this.error('EBADF', 'expected a writable mapping, got a read-only one', operation);
  }

  /** A range within the mapping, whole by default. */
  span(operation: string, range: Range = {}): { offset: number; length: number } {
    checkObject(this.called(operation), range, 'range');
    checkOptions(this.called(operation), range, rangeRules);
    const all = this.source.length;
    const offset = this.number(operation, 'offset', range.offset ?? 0, all);
    const rest = all - offset;
    return { offset, length: this.number(operation, 'length', range.length ?? rest, rest) };
  }

  /** A whole number from 0 to `most`. */
  number(operation: string, name: string, value: unknown, most: number): number {
    if (typeof value !== 'number') throw this.invalid(operation, name, 'a number', value);
    if (Number.isInteger(value) && value >= 0 && value <= most) return value;
    const expected = `a whole number from 0 to ${most}`;
    throw outOfRange(this.called(operation), name, expected, value);
  }

  invalid(operation: string, name: string, expected: string, got: unknown): ShmError {
    return invalidArgument(this.called(operation), name, expected, got);
  }

  error(code: string, detail: string, operation: string, cause?: unknown): ShmError {
    const { kind, address } = this.source;
    return new ShmError(code, detail, `${kind}.${operation}`, address, cause);
  }

  byteAt(operation: string, index: number): number {
    this.permit(operation, index, 1, false);
    const byte = this.bytes(operation)[index]!;
    this.check(operation);
    return byte;
  }

  /** How many bytes were copied: fewer than `target` holds at the end. */
  copyOut(operation: string, target: Uint8Array, position: number): number {
    if (!types.isUint8Array(target)) throw this.#notBytes(operation, 'target', target);
    const bytes = this.bytes(operation);
    const count = Math.min(target.length, bytes.length - position);
    if (count <= 0) return 0;
    this.permit(operation, position, count, false);
    target.set(bytes.subarray(position, position + count));
    this.check(operation);
    return count;
  }

  /** How many bytes did fit. */
  copyIn(operation: string, source: Uint8Array, position: number): number {
    if (!types.isUint8Array(source)) throw this.#notBytes(operation, 'source', source);
    const bytes = this.bytes(operation);
    this.needWritable(operation);
    const count = Math.min(source.length, bytes.length - position);
    if (count <= 0) return 0;
    this.permit(operation, position, count, true);
    bytes.set(count === source.length ? source : source.subarray(0, count), position);
    this.check(operation);
    return count;
  }

  shortWrite(operation: string, wanted: number, written: number): ShmError {
    const detail = `expected room for ${wanted} bytes, got room for ${written}`;
    return Object.assign(this.error('ERR_SHORT_WRITE', detail, operation), { written });
  }

  #notBytes(operation: string, name: string, got: unknown): ShmError {
    return invalidArgument(`${this.source.kind}.${operation}`, name, 'a Uint8Array', got);
  }

  /** Idempotent. See {@link NativeMapping.close} for `discard`. */
  close(discard: boolean): void {
    if (this.closed) return;
    this.closed = true;
    this.#bytes = undefined;
    this.#buffer = undefined;
    const { native, length, address, kind } = this.source;
    native?.close(discard);
    trace('close', { operation: `${kind}.close`, address, length });
  }
}

/** A part of a mapping. Pages are taken whole: every page that the range touches. */
export interface Range {
  /** First byte, from 0 to the mapping's length. @default 0 */
  offset?: number;
  /** Bytes, at most to the mapping's end. @default the rest of the mapping */
  length?: number;
}

/** Of a range, and of `sync`, which takes one too. */
const rangeRules = {
  offset: checkedLater,
  length: checkedLater,
  async: aBoolean,
  invalidate: aBoolean,
};
