import type * as Crypto from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * Random bytes for a name that nothing else has. They are the kernel's where it gives them as a
 * file: `node:crypto` takes up to 8 ms to load, which is most of what this package takes.
 */
export function randomBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return fromKernel(bytes) ? bytes : cryptoBytes(length);
}

function cryptoBytes(length: number): Buffer {
  const { randomBytes } = createRequire(import.meta.url)('node:crypto') as typeof Crypto;
  return randomBytes(length);
}

function fromKernel(bytes: Buffer): boolean {
  if (process.platform === 'win32') return false;
  try {
    const fd = openSync('/dev/urandom', 'r');
    try {
      return readSync(fd, bytes) === bytes.length;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false; // the permission model forbids it, or there are no descriptors left
  }
}
