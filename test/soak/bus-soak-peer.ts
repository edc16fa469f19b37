// A peer of the soak: sends to all peers it sees, until it is stopped, and checks what comes.
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { Bus } from '../../src/index.js';
import { random } from '../support/traffic.js';

/** What it reports when it has stopped: how many messages, by the other peer's id. */
export interface Tally {
  sent: Record<string, number>;
  received: Record<string, number>;
}

const [name, id, longest] = process.argv.slice(2) as [string, string, string];
const prefixBytes = 8;
const pool = Buffer.alloc(2 * Number(longest));
const next = random(Number(id) + 1);
for (let i = 0; i < pool.length; i++) pool[i] = next(256);

const sent: Record<string, number> = {};
const received: Record<string, number> = {};
let stopped = false;
let senders: Promise<void>[] = [];

let closed = false;

// Without its parent it would run for ever.
process.once('disconnect', () => {
  if (!closed) process.exit(1);
});

const bus = await Bus.join<Uint8Array>(name, { id, codec: 'bytes' });

bus.on('message', (value, from) => {
  const message = Buffer.from(value.buffer, value.byteOffset, value.length);
  const number = message.readUInt32LE(0);
  const expected = received[from] ?? 0;
  if (number !== expected)
    throw new Error(`${id}: message ${number} from ${from}, expected ${expected}`);
  if (message.readUInt32LE(4) !== crc32(message.subarray(prefixBytes))) {
    throw new Error(`${id}: message ${number} from ${from} is damaged`);
  }
  received[from] = expected + 1;
});

async function sendTo(to: string): Promise<void> {
  while (!stopped && bus.peers.has(to)) {
    // Mostly short, sometimes as long as allowed.
    const length = next(4) === 0 ? next(Number(longest) - prefixBytes) : next(500);
    const at = next(pool.length - length);
    const payload = pool.subarray(at, at + length);
    const message = Buffer.allocUnsafe(prefixBytes + length);
    message.writeUInt32LE(sent[to] ?? 0, 0);
    message.writeUInt32LE(crc32(payload), 4);
    message.set(payload, prefixBytes);
    try {
      while (!bus.send(to, message)) await bus.ready(to);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ERR_UNKNOWN_PEER' || code === 'ERR_PEER_CLOSED') return;
      throw error;
    }
    sent[to] = (sent[to] ?? 0) + 1;
    await nextTurn();
  }
}

for (const peer of bus.peers) senders.push(sendTo(peer));
bus.on('join', peer => senders.push(sendTo(peer)));

async function obey(order: unknown): Promise<void> {
  if (order === 'close') {
    await bus.close();
    closed = true;
    process.disconnect();
    return;
  }
  if (order === 'stop') {
    stopped = true;
    await Promise.all(senders);
    senders = [];
  }
  process.send!({ sent, received } satisfies Tally);
}

process.on('message', order => void obey(order));
process.send!('joined');
await once(process, 'disconnect');
