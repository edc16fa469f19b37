// Has one region of each kind that a process can make alone, and sends their names.
import { basename } from 'node:path';
import { Bus, Channel, listen, openMem, Ring } from '../../src/index.js';
import { PayloadArena } from '../../src/transport/piscina/index.js';

/** What the test gets. */
export interface Names {
  ring: string;
  channel: string;
  memory: string;
  arena: string;
}

const ring = Ring.create({ capacity: 65536 });
const producer = ring.producer();
producer.tryWrite(new Uint8Array(100));
producer.tryWrite(new Uint8Array(200));
const channel = Channel.create({ capacity: 4096 });
channel.send('never read');
channel.on('message', () => {}); // waits, and so has a doorbell
const memory = openMem({ bytes: 12345 });
const arena = PayloadArena.create({ bytes: 1 << 20, parts: 2 });
const payload = arena.share(new Uint8Array(1000));
const bus = await Bus.join('test/command');

const name = (handle: { path: string }) => basename(handle.path);
process.send!({
  ring: name(ring.handle),
  channel: name(channel.handle),
  memory: `mem-${memory.id}`,
  arena: name(arena.handle),
} satisfies Names);

// A connection, once the test says where.
process.once('message', (address: string) => {
  void listen(address, conn => conn.resume()).then(() => process.send!('listening'));
});
// What the test looks for must not be collected.
Object.assign(globalThis, { kept: [ring, channel, memory, arena, payload, bus] });
