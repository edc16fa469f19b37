/** From this size on, a copy costs more in fresh pages than in copying. */
const largeCopy = 16 * 1024;

/** Large copies until the process counts as one that makes many. */
let copiesLeft = 64;

/** Just below the largest block that moves glibc's thresholds (32 MiB). */
const block = 31 * 1024 * 1024;

/**
 * To be called where a copy of `bytes` is about to be made for the user to keep.
 *
 * Buffers that were dropped are freed by the dozen, in garbage collections. glibc then gives the
 * top of its heap back to the kernel, where more than 128 KiB of it are free, and each next
 * Buffer's pages have to be made and cleared anew: 16 page faults, which take longer than
 * copying 64 KiB. The free of one large block teaches it to keep twice as much as that block
 * had. The block is never written to, so no memory is used for it. See ADR-0041.
 */
export function keepFreedHeap(bytes: number): void {
  if (bytes < largeCopy || copiesLeft === 0 || --copiesLeft > 0) return;
  try {
    Buffer.allocUnsafeSlow(block);
  } catch {
    // No room for it in this address space: then pages are allocated each time, as usual.
  }
}
