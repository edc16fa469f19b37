import { ShmError, systemError } from '../errors.js';
import { addon, type NativeMapping } from './addon.js';

// A handle lives as long as its views: keeping only the bytes also keeps the file, its lease
// and its name.
const handles = new WeakMap<ArrayBufferLike, NativeMapping>();

/** The pages as plain memory of this thread. */
export function plainBytes(mapping: NativeMapping): Uint8Array<ArrayBuffer> {
  const buffer = mapping.alias();
  handles.set(buffer, mapping);
  return new Uint8Array(buffer);
}

/**
 * The pages as shared memory.
 *
 * @throws {ShmError} `ERR_UNSUPPORTED` where this Node cannot make such a buffer; it says which
 *   can
 */
export function sharedBuffer(mapping: NativeMapping): SharedArrayBuffer {
  try {
    const buffer = mapping.sharedBuffer();
    handles.set(buffer, mapping);
    return buffer;
  } catch (cause) {
    throw systemError(cause, 'buffer', mapping.name);
  }
}

/**
 * A handle of this thread on the mapping that another thread handed over.
 *
 * @throws {ShmError} `ERR_INVALID_ARG` where `buffer` is not that of a live mapping
 */
export function attachBuffer(buffer: SharedArrayBuffer, operation: string): NativeMapping {
  try {
    return new addon.Mapping(new Uint8Array(buffer));
  } catch (cause) {
    const detail = 'expected the SharedArrayBuffer of mapped memory, got memory of another kind';
    throw new ShmError('ERR_INVALID_ARG', detail, operation, undefined, cause);
  }
}

/**
 * A handle of this thread on a mapping that another thread of this process has open, found
 * by its name; undefined where there is none.
 */
export function attachByName(name: string): NativeMapping | undefined {
  try {
    return new addon.Mapping(name);
  } catch {
    return undefined;
  }
}
