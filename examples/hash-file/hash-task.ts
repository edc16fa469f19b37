// What the Piscina threads run.
import { workerData } from 'node:worker_threads';
import { openMem } from '../../src/index.js';
import { type Algorithm, digestOf } from './tag.js';

const { memory, algorithm } = workerData as { memory?: SharedArrayBuffer; algorithm: Algorithm };

// The ring's memory came once, through workerData; this thread reads it in place.
const shared = memory && openMem(memory);

/** Where in the ring's memory the bytes lie, or the bytes themselves, cloned by Piscina. */
export type HashTask = { offset: number; length: number } | Uint8Array;

export default function hash(task: HashTask): Uint8Array {
  const bytes =
    task instanceof Uint8Array
      ? task
      : shared!.bytes.subarray(task.offset, task.offset + task.length);
  return digestOf(bytes, algorithm);
}
