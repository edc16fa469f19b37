// node dist/examples/shared-counter/main.js: four processes count in one piece of shared
// memory, with no message between them but its id.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { openMem } from '../../src/index.js';

const counts = 100_000;
const [id] = process.argv.slice(2);

if (id === undefined) {
  using mem = openMem({ bytes: 4096 });
  const script = fileURLToPath(import.meta.url);
  const children = Array.from({ length: 4 }, () => fork(script, [mem.id]));
  await Promise.all(children.map(child => once(child, 'exit')));
  const total = Atomics.load(new Int32Array(mem.buffer), 0);
  console.log(`${children.length} processes counted to ${total}`);
} else {
  using mem = openMem(id, { access: 'read-write' });
  const words = new Int32Array(mem.buffer);
  for (let i = 0; i < counts; i++) Atomics.add(words, 0, 1);
}
