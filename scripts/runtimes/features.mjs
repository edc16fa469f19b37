// One feature of the package, named by the first argument, in whatever runs this file. The last line
// says what became of it.
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { setTimeout } from 'node:timers';

const features = {
  async openFile({ openFile }) {
    const file = openFile(process.argv[1]);
    expectEqual(file.bytes[0], 47);
    file.close();
  },
  async openMem({ openMem }) {
    const mem = openMem({ bytes: 4096 });
    const other = openMem(mem.id);
    mem.write(Buffer.from('hi'));
    expectEqual(Buffer.from(other.bytes.subarray(0, 2)).toString(), 'hi');
    other.close();
    mem.close();
  },
  async 'buffer, Atomics'({ openMem }) {
    const mem = openMem({ bytes: 4096 });
    closeAtEnd(mem);
    Atomics.add(new Int32Array(mem.buffer), 0, 2);
    expectEqual(mem.bytes[0], 2);
  },
  async 'ring, blocking'({ Ring }) {
    const ring = Ring.create({ capacity: 4096 });
    closeAtEnd(ring);
    ring.producer().writeSync(Buffer.from('x'));
    const consumer = ring.consumer();
    expectEqual(Buffer.from(consumer.readSync(1000)).toString(), 'x');
    expectEqual(consumer.readSync(20), null);
  },
  async 'ring, on the event loop'({ Ring }) {
    const ring = Ring.create({ capacity: 4096 });
    closeAtEnd(ring);
    const producer = ring.producer();
    setTimeout(() => producer.writeSync(Buffer.from('x')), 100);
    const record = await ring.consumer().read({ timeout: 5000 });
    expectEqual(Buffer.from(record).toString(), 'x');
  },
  async "channel, wait: 'busy'"({ Channel }) {
    await echo(Channel, { wait: 'busy' });
  },
  async 'channel, asleep'({ Channel }) {
    await echo(Channel, { wait: { spin: 0 } });
  },
  async 'listen, dial, Conn'({ listen, dial }) {
    const address = join(process.env.TRY_IN, 'conn.sock');
    const listener = await listen(address, conn => conn.pipe(conn));
    const conn = await dial(address);
    conn.end('hello');
    let text = '';
    for await (const chunk of conn) text += chunk;
    expectEqual(text, 'hello');
    await listener.close();
    return `over ${conn.transport}`;
  },
  async Bus({ Bus }) {
    const [a, b] = [await Bus.join('try', { id: 'a' }), await Bus.join('try', { id: 'b' })];
    b.onRequest(value => value * 2);
    expectEqual(await a.request('b', 21, { timeout: 5000 }), 42);
    const route = a.route('b');
    await a.close();
    await b.close();
    return `over ${route}`;
  },
};

export const names = Object.keys(features);

async function echo(Channel, options) {
  const one = Channel.create(options);
  closeAtEnd(one);
  const peer = Channel.open(one.handle, options);
  closeAtEnd(peer);
  peer.on('message', value => peer.send(value + 1));
  const answer = new Promise((resolve, reject) => {
    for (const end of [one, peer]) end.on('error', reject);
    one.on('message', resolve);
  });
  setTimeout(() => one.send(1), 100);
  expectEqual(await answer, 2);
}

const open = [];

function closeAtEnd(one) {
  open.push(one);
}

function expectEqual(got, expected) {
  if (got !== expected) throw new Error(`expected ${expected}, got ${got}`);
}

const wanted = process.argv[2];
if (wanted !== undefined && wanted in features) {
  try {
    const detail = await features[wanted](await import('mmap-transport'));
    console.log(detail === undefined ? 'works' : `works, ${detail}`);
  } catch (error) {
    console.log(`${error.code ?? error.name}: ${error.message}`.split('\n')[0]);
  }
  await Promise.all(open.map(one => one.close()));
  process.exit();
}
