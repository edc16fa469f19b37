/*
 * Memory that long messages went through, to be used again: the pages of fresh memory cost several
 * times as much as copying into them. It is held weakly, so that nothing is kept for it: the next
 * garbage collection takes it.
 */

const leastBytes = 64 * 1024;

/** By size, which is a power of two. */
const spares = new Map<number, WeakRef<Buffer>>();

function roundUp(bytes: number): number {
  let size = leastBytes;
  while (size < bytes) size *= 2;
  return size;
}

/** Memory of at least that many bytes, with whatever is in it; its length is a power of two. */
export function takeSpare(bytes: number): Buffer {
  const size = roundUp(bytes);
  const spare = spares.get(size)?.deref();
  spares.delete(size);
  return spare ?? Buffer.allocUnsafeSlow(size);
}

/** Gives memory back that nobody uses any more; what {@link takeSpare} did not make is left alone. */
export function giveSpare({ buffer, byteOffset }: Uint8Array): void {
  const size = buffer.byteLength;
  if (byteOffset !== 0 || size < leastBytes || size !== roundUp(size)) return;
  spares.set(size, new WeakRef(Buffer.from(buffer as ArrayBuffer)));
}
