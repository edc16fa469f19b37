import { createCipheriv, createHash } from 'node:crypto';

export type Algorithm = 'gmac' | 'sha256';

const key = Buffer.alloc(16, 'mmap-transport');
const nonce = Buffer.alloc(12);

/**
 * The digest of one chunk.
 *
 * SHA-256 does 1.5 GB/s on a core, so a comparison of two ways to move bytes would mostly
 * compare SHA-256 with itself. GMAC (AES-GCM's authentication of data it does not encrypt)
 * does three times that and finds any damage as surely; only against forgery it would need
 * a secret key.
 */
export function digestOf(bytes: Uint8Array, algorithm: Algorithm): Uint8Array {
  if (algorithm === 'sha256') return createHash('sha256').update(bytes).digest();
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  cipher.setAAD(bytes);
  cipher.final();
  return cipher.getAuthTag();
}
