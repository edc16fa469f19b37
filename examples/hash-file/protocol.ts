import { createHash } from 'node:crypto';
import type { RingHandle } from '../../src/index.js';
import type { Algorithm } from './tag.js';

/** Bytes of the file that travel together. */
export const chunkBytes = 4 * 1024 * 1024;

/** Tasks that the worker's threads have in hand at once. */
export const tasks = 6;

export const threads = 2;

/** What the primary tells its worker, through the environment. */
export interface Job {
  /** Which way the chunks come. */
  transport: 'shared-memory' | 'process.send';
  algorithm: Algorithm;
  /** Bytes of the file. */
  length: number;
  chunks?: RingHandle;
  results?: RingHandle;
}

/** A result: the chunk's number, then its digest. */
export function encodeResult(index: number, digest: Uint8Array): Buffer {
  const record = Buffer.alloc(4 + digest.length);
  record.writeUInt32LE(index);
  record.set(digest, 4);
  return record;
}

/**
 * The digest of a file from those of its chunks, which threads compute in any order:
 * SHA-256 of the chunks' digests one after the other.
 */
export class FileDigest {
  readonly #digests: Uint8Array[] = [];
  #missing: number;

  constructor(length: number) {
    this.#missing = Math.ceil(length / chunkBytes);
  }

  get missing(): number {
    return this.#missing;
  }

  add(index: number, digest: Uint8Array): void {
    this.#digests[index] = Uint8Array.from(digest);
    this.#missing--;
  }

  hex(): string {
    return createHash('sha256').update(Buffer.concat(this.#digests)).digest('hex');
  }
}
