// A parent with the hooks, and a child that breaks its word: says how that ended.
import { fork } from 'node:child_process';
import { sibling } from '../../support/processes.js';

const child = fork(sibling(import.meta.url, './hostile-child.js'), [process.argv[2]!], {
  execArgv: [],
});
let uncaught = 0;
let thrown = 0;
process.on('uncaughtException', () => uncaught++);
// What is sent must not be told by an exception either.
const sending = setInterval(() => {
  try {
    if (child.connected) child.send('x'.repeat(2000), () => {});
  } catch {
    thrown++;
  }
}, 10);
const end = (how: string) => {
  clearInterval(sending);
  clearTimeout(watchdog);
  console.log(JSON.stringify({ how, uncaught, thrown }));
  child.kill('SIGKILL');
};
const watchdog = setTimeout(end, 10_000, 'it goes on');
child.once('disconnect', () => end('disconnected'));
