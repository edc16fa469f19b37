// Two threads open a file at the same moment and grow it, one to twice the length that the other
// wants: at the end it has the greater one. Says in how many rounds it had not.
import { statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openFile } from '../../src/index.js';

interface Task {
  words: Int32Array;
  file: string;
  rounds: number;
  size: number;
}

const least = 4096;

/** Goes on when both threads are here. */
function meet(words: Int32Array, turn: number): void {
  const arrived = Atomics.add(words, 0, 1) + 1;
  Atomics.notify(words, 0);
  for (let seen = arrived; seen < 2 * turn; seen = Atomics.load(words, 0)) {
    Atomics.wait(words, 0, seen);
  }
}

function grow({ words, file, rounds, size }: Task): number {
  let turn = 0;
  let cut = 0;
  for (let round = 0; round < rounds; round++) {
    if (size === least) writeFileSync(file, '');
    meet(words, ++turn);
    openFile(file, { access: 'read-write', create: true, size }).close();
    meet(words, ++turn);
    if (statSync(file).size !== 2 * least) cut++;
    meet(words, ++turn);
  }
  return cut;
}

if (isMainThread) {
  const [file, rounds] = process.argv.slice(2) as [string, string];
  const words = new Int32Array(new SharedArrayBuffer(4));
  for (const size of [least, 2 * least]) {
    const task: Task = { words, file, rounds: Number(rounds), size };
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    if (size === least) {
      worker.on('message', (cut: number) => console.log(`${cut} of ${rounds} cut`));
    }
  }
} else {
  parentPort!.postMessage(grow(workerData as Task));
}
