import { existsSync } from 'node:fs';
import { ShmError } from '../../errors.js';
import type { NativeMapping } from '../../native/addon.js';
import { attachByName, plainBytes, sharedBuffer } from '../../native/views.js';
import { markOf, readGeometry, wordsOf } from './arena-layout.js';

/** An arena as a pool's thread sees it: memory that the process has mapped already. */
export interface AttachedArena {
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly words: Int32Array;
  readonly debug: boolean;
  readonly mark: number;
  readonly mapping: NativeMapping;
}

/** Those that this thread was sent payloads of; what is here stays mapped. */
const attached = new Map<string, AttachedArena>();

/** @throws {ShmError} `ENOENT` where nobody in this process has the arena open any more */
export function attachArena(path: string): AttachedArena {
  const known = attached.get(path);
  // Somebody could have detached it, by `bytes.buffer.transfer()`.
  if (known && known.plain.length > 0) return known;
  const mapping = attachByName(path);
  if (!mapping) throw new ShmError('ENOENT', 'it is not open in this process', 'payloadTask', path);
  const words = wordsOf(sharedBuffer(mapping));
  const { debug } = readGeometry(words, path);
  const arena = { plain: plainBytes(mapping), words, debug, mark: markOf(words), mapping };
  // Arenas that nobody has open have lost their names. Their memory goes with the last handle.
  for (const [path, { mapping }] of attached) {
    if (existsSync(path)) continue;
    attached.delete(path);
    mapping.close(true);
  }
  attached.set(path, arena);
  return arena;
}
