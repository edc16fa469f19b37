// A thread that waits on memory which another thread mapped: see atomics.test.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { openMem } from '../../src/index.js';

/** Newer than the library that the project is compiled with. */
interface WithAsync {
  waitAsync(words: Int32Array, at: number, value: number, ms: number): { value: Promise<string> };
}

const { buffer, way } = workerData as { buffer: SharedArrayBuffer; way: 'wait' | 'waitAsync' };
const mine = openMem(buffer);
const words = new Int32Array(mine.buffer);
if (way === 'wait') {
  parentPort!.postMessage('waits');
  parentPort!.postMessage(Atomics.wait(words, 3, 0, 20_000));
} else {
  // It does not keep the loop alive.
  const alive = setInterval(() => {}, 1000);
  const { value } = (Atomics as unknown as WithAsync).waitAsync(words, 3, 0, 20_000);
  parentPort!.postMessage('waits');
  parentPort!.postMessage(await value);
  clearInterval(alive);
}
