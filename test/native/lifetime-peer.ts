// What a thread does with mapped memory before it ends: see lifetime.test.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { openFile, openMem, type Mapped } from '../../src/index.js';

export interface Task {
  path: string;
  end: 'exit' | 'process.exit' | 'throw' | 'wait';
  hand: boolean;
}

const { path, end, hand } = workerData as Task;
const held: Mapped[] = [];
for (let i = 0; i < 20; i++) {
  held.push(openFile(path, { access: 'read-write' }), openMem({ bytes: 8192 }));
}
for (const mapped of held) {
  mapped.bytes[0] = 42;
  new Uint8Array(mapped.buffer)[1] = 43;
}
held[0]!.close();
held[1]!.close();
parentPort!.postMessage(hand ? held.slice(2).map(mapped => mapped.buffer) : []);
if (end === 'process.exit') process.exit();
if (end === 'throw') throw new Error('on purpose');
if (end === 'wait') setInterval(() => held[2]!.at(0), 1);
