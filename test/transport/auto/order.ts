// Numbers in both directions, some with a handle, as fast as they go; says whether each end got them
// in order, and whether memory was used. Run with the preload: `order.js COUNT EVERY`.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { fileURLToPath } from 'node:url';

const [, , count = '1000', every = '100', role] = process.argv;
const total = Number(count);

/** @returns how many came in their order, once all have come */
function receive(end: NodeJS.Process | ChildProcess): Promise<{ right: number; handles: number }> {
  let at = 0;
  let right = 0;
  let handles = 0;
  return new Promise(resolve => {
    end.on('message', (message: { at: number }, handle?: net.Server) => {
      if (!('at' in message)) return;
      if (message.at === at++) right++;
      if (handle) handles++;
      handle?.close();
      if (at === total) resolve({ right, handles });
    });
  });
}

function send(end: NodeJS.Process | ChildProcess): void {
  let at = 0;
  const some = () => {
    for (let left = 20; left > 0 && at < total; left--, at++) {
      // Without a host it listens at once; sending it closes it here.
      const handle = at % Number(every) === 0 ? net.createServer().listen(0) : undefined;
      end.send!({ at, text: 'x'.repeat(at % 300) }, handle);
    }
    if (at < total) setImmediate(some);
  };
  some();
}

const isShared = () => readFileSync('/proc/self/maps', 'latin1').includes('/ring-');

if (role === 'child') {
  let wasShared = false;
  for (let isWarm = false; !isWarm;) {
    const [message] = (await once(process, 'message')) as [{ warm: boolean }];
    isWarm = !message.warm;
    wasShared = isShared();
    process.send!(wasShared);
  }
  const received = receive(process);
  send(process);
  process.send!({ result: await received, wasShared });
} else {
  const child = fork(fileURLToPath(import.meta.url), [count, every, 'child']);
  // Until memory is used, as far as it will be.
  for (let trips = 0; trips < 300; trips++) {
    child.send({ warm: trips < 299 });
    const [is] = (await once(child, 'message')) as [boolean];
    await new Promise(resolve => setTimeout(resolve, is ? 0 : 2));
  }
  const other = new Promise<object>(resolve => {
    child.on('message', (message: { result?: object }) => {
      if (message.result) resolve(message);
    });
  });
  const mine = receive(child);
  send(child);
  console.log(JSON.stringify({ parent: await mine, child: await other }));
  child.kill();
}
