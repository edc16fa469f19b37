// Forks children, `together` at a time and `count` in all, each killed at some moment of its start,
// or left alone; says what is left in the region directory. Run with the preload.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(import.meta.url);
const [, , together = '1', count = '1', kill = 'no'] = process.argv;
const directory = process.env.MMAP_TRANSPORT_DIR!;

/** Waits in which a child can be killed: a child sends nothing before it has started. */
const longestLife = 120;

if (together === 'child') {
  process.on('message', message => process.send!(message));
  process.send!('here');
} else {
  let left = Number(count);
  let shared = 0;
  const one = async () => {
    while (left-- > 0) {
      const child = fork(script, ['child']);
      const gone = once(child, 'exit');
      let answers = 0;
      child.on('message', () => {
        if (answers === 0 && kill === 'kill') {
          setTimeout(() => child.kill('SIGKILL'), Math.random() * longestLife);
        }
        if (answers++ < 60 || kill === 'kill') child.send('again', () => undefined);
        else child.disconnect();
      });
      child.on('error', () => undefined);
      const look = setInterval(() => {
        if (!readdirSync(directory).some(name => name.startsWith('bell-'))) return;
        shared++;
        clearInterval(look);
      }, 20);
      await gone;
      clearInterval(look);
    }
  };
  await Promise.all(Array.from({ length: Number(together) }, one));
  const names = () => readdirSync(directory).filter(name => !name.startsWith('bell-'));
  // The end of a socket follows the exit of its child.
  for (let wait = 0; names().length > 0 && wait < 200; wait++) {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  console.log(JSON.stringify({ left: names(), isShared: shared > 0 }));
}
