// A process that is refused some system calls: see locks.test.ts. Says what became of each.
import { once } from 'node:events';
import { Channel, dial, listen, openMem, Ring, ShmError } from '../../src/index.js';

const said: Record<string, string> = {};

function attempt(name: string, call: () => void): void {
  try {
    call();
    said[name] = 'works';
  } catch (error) {
    said[name] = error instanceof ShmError ? error.code : `raw ${String(error)}`;
  }
}

attempt('openMem', () => openMem().close());
attempt('Ring', () => {
  const ring = Ring.create({ capacity: 4096 });
  try {
    ring.producer();
  } finally {
    ring.close();
  }
});
attempt('Channel', () => void Channel.create().close());

const address = process.argv[2]!;
const listener = await listen(address, conn => conn.end('hello'));
const conn = await dial(address);
said.link = conn.transport;
const [data] = (await once(conn, 'data')) as [Buffer];
said.data = data.toString();
await once(conn, 'close');
await listener.close();
console.log(JSON.stringify(said));
