import { ShmError } from '../../errors.js';
import type { NativeMapping } from '../../native/addon.js';
import { plainBytes, sharedBuffer, attachByName } from '../../native/views.js';
import { readShape } from './shape.js';

/** An arena as a pool's thread sees it: memory that the process has mapped already. */
export interface Attached {
  readonly path: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly words: Int32Array;
  readonly debug: boolean;
  /** A buffer of its own over some bytes, which can be detached. */
  piece(offset: number, length: number): ArrayBuffer;
}

const attached = new Map<string, Attached>();

/** Arenas that a thread keeps at hand; what it keeps stays mapped. */
const most = 4;

/**
 * @throws {ShmError} `ENOENT` where nobody in this process has the arena open any more
 */
export function attach(path: string): Attached {
  const known = attached.get(path);
  // Somebody could have detached it, by `bytes.buffer.transfer()`.
  if (known && known.plain.length > 0) return known;
  const mapping = attachByName(path);
  if (!mapping) {
    throw new ShmError('ENOENT', 'it is not open in this process', 'payloadTask', path);
  }
  const arena = view(mapping, path);
  attached.delete(path);
  const [oldest] = attached.keys();
  if (attached.size === most) attached.delete(oldest!);
  attached.set(path, arena);
  return arena;
}

function view(mapping: NativeMapping, path: string): Attached {
  const buffer = sharedBuffer(mapping);
  const words = new Int32Array(buffer);
  const { debug } = readShape(words, path);
  const plain = plainBytes(mapping);
  return {
    path,
    plain,
    words,
    debug,
    piece: (offset, length) => mapping.alias(offset, length),
  };
}
