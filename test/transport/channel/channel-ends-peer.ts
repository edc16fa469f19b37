// The other end of a channel, which says something and ends as its orders say; or a process that has
// too few descriptors to make a doorbell.
import { closeSync, openSync } from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Channel, type ChannelHandle } from '../../../src/index.js';

export interface Orders {
  channel: ChannelHandle;
  /** `code 0`, `code 3`: exits with it. `throw`: by an uncaught error. `kill`: by SIGKILL. */
  ends: 'code 0' | 'code 3' | 'throw' | 'kill' | 'naturally';
}

function end(how: Orders['ends']): void {
  if (how === 'throw') throw new Error('the end');
  if (how === 'kill') process.kill(process.pid, 'SIGKILL');
  if (how.startsWith('code')) process.exit(Number(how.slice(-1)));
  if (isMainThread) process.disconnect();
}

function run({ channel: handle, ends }: Orders): void {
  const channel = Channel.open<string>(handle);
  channel.unref();
  channel.send('last words');
  setImmediate(end, ends);
}

async function withoutDescriptors(): Promise<void> {
  const errors: (string | undefined)[] = [];
  const one = Channel.create<number>();
  const other = Channel.open<number>(one.handle);
  for (const channel of [one, other]) {
    channel.on('error', error => errors.push((error as NodeJS.ErrnoException).code));
  }
  const descriptors: number[] = [];
  const free = () => descriptors.splice(0).forEach(closeSync);
  try {
    for (;;) descriptors.push(openSync('/dev/null', 'r'));
  } catch {
    // There are no more.
  }
  const got: number[] = [];
  const all = new Promise<void>(resolve => {
    other.on('message', value => {
      got.push(value);
      if (got.length === 1) free();
      if (got.length === 20) resolve();
    });
  });
  // With none, it still arrives; and when there are some again, at once.
  while (errors.length === 0) await new Promise(setImmediate);
  one.send(0);
  while (got.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
  for (let i = 1; i < 20; i++) one.send(i);
  await all;
  await one.close();
  await other.close();
  console.log(JSON.stringify({ errors, got }));
}

if (process.argv[2] === 'descriptors') void withoutDescriptors();
else if (isMainThread) process.once('message', orders => run(orders as Orders));
else {
  parentPort?.unref();
  run(workerData as Orders);
}
