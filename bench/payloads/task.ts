// The worker side of bench/payloads: the same work for every way that the bytes can come
// and go.
import { move } from 'piscina';
import { payloadTask } from '../../src/transport/piscina/index.js';

/** Reads a byte of each page, so that the bytes are really there. */
export function look(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 4096) sum += bytes[i]!;
  return sum;
}

const kept = new Map<number, Uint8Array<ArrayBuffer>>();

/** Bytes that this thread has and wants to keep: made once. */
function own(size: number): Uint8Array<ArrayBuffer> {
  let bytes = kept.get(size);
  if (!bytes) kept.set(size, (bytes = new Uint8Array(size).fill(1)));
  return bytes;
}

export const cloneIn = look;
export const cloneOut = own;
export const cloneBoth = (bytes: Uint8Array) => (look(bytes), bytes);
export const moveOut = (size: number): unknown => move(own(size).slice());
export const moveBoth = (bytes: Uint8Array<ArrayBuffer>): unknown => (look(bytes), move(bytes));

export const arenaIn = payloadTask(look);
export const arenaOut = payloadTask(own);
export const arenaBoth = payloadTask(cloneBoth);
export const arenaFill = payloadTask((size: number, { allocate }) => {
  const bytes = allocate(size);
  for (let i = 0; i < size; i += 4096) bytes[i] = 1;
  return bytes;
});
