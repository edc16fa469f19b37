import { PlainDecoder } from './decoder.js';
import { hasAccessors } from './ordinary.js';

/** Of a message that an encoder reads back: it is on its way to V8's serializer. */
export interface ReadBack {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Keys of all shapes that the peer knows. */
  readonly shapes: readonly (readonly string[])[];
  /** Values that are not plain, as they are noted in the message. */
  readonly others: readonly unknown[];
  /** What was written, in its order. */
  readonly originals: readonly object[];
}

/**
 * Makes a value that V8 can read without running accessors again: what they gave stands in copies
 * of the objects that have them, and of those around these. All else is the original, so that it
 * stays one object where values that are not plain refer to it too.
 */
export function readBack({ bytes, start, end, shapes, others, originals }: ReadBack): unknown {
  const copies: object[] = [];
  const root = new PlainDecoder({ shapes, others, made: copies }).decode(bytes, start, end);
  const indexes = new Map(copies.map((copy, i) => [copy as unknown, i]));
  const isCopied = originals.map(original => hasAccessors([original]));
  const partsOf = (i: number) => (copies[i] === originals[i] ? [] : Object.entries(copies[i]!));
  for (let isDone = false; !isDone;) {
    isDone = true;
    for (let i = copies.length - 1; i >= 0; i--) {
      if (isCopied[i] || !partsOf(i).some(([, part]) => isCopied[indexes.get(part) ?? -1]))
        continue;
      isCopied[i] = true;
      isDone = false;
    }
  }
  for (const [i, copy] of copies.entries()) {
    if (!isCopied[i]) continue;
    for (const [key, part] of partsOf(i)) {
      const index = indexes.get(part);
      if (index === undefined || isCopied[index]) continue;
      (copy as Record<string, unknown>)[key] = originals[index];
    }
  }
  return root;
}
