// A peer of the soak: sends to all peers it sees, until it is stopped, and checks what comes.
import { once } from 'node:events';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { Bus } from '../../src/index.js';
import { random } from '../support/traffic.js';

/** What it reports when it has stopped: how many messages, by the other peer's id. */
export interface Tally {
  sent: Record<string, number>;
  received: Record<string, number>;
  /** Of a peer that misbehaves: what its listeners threw, and its requests by how they ended. */
  thrown: number;
  requests: Record<string, number>;
}

const [name, firstId, longest, manners] = process.argv.slice(2) as [string, string, string, string];
const misbehaves = manners === 'misbehave';
const prefixBytes = 8;
const pool = Buffer.alloc(2 * Number(longest));
const next = random(Number(firstId) + 1);
for (let i = 0; i < pool.length; i++) pool[i] = next(256);

/** How a request may end whose time is short, whose handler throws, or whose peer goes. */
const expectedEnds = ['ETIMEDOUT', 'E_HANDLER', 'ERR_PEER_CLOSED', 'ERR_PEER_DIED'].concat(
  ...['ERR_UNKNOWN_PEER', 'ERR_CLOSED'],
);

const fault = new Error('a listener threw');
let thrown = 0;

if (misbehaves) {
  process.on('uncaughtException', error => {
    if (error === fault) return;
    console.error(error);
    process.exit(1);
  });
}

function mayThrow(oneOf: number): void {
  if (!misbehaves || next(oneOf) > 0) return;
  thrown++;
  throw fault;
}

/** One stay on the bus. */
class Participant {
  readonly bus: Bus<Uint8Array>;
  readonly #sent: Record<string, number> = {};
  readonly #received: Record<string, number> = {};
  readonly #requests: Record<string, number> = {};
  #stopped = false;
  #work: Promise<void>[] = [];

  constructor(bus: Bus<Uint8Array>) {
    this.bus = bus;
    bus.on('message', this.#receive);
    for (const peer of bus.peers) this.#work.push(this.#sendTo(peer));
    bus.on('join', peer => {
      this.#work.push(this.#sendTo(peer));
      mayThrow(3);
    });
    if (!misbehaves) return;
    bus.on('leave', () => mayThrow(3)).on('drain', () => mayThrow(3));
    bus.onRequest(async value => {
      if (next(3) === 0) await delay(next(30));
      if (next(5) === 0) throw Object.assign(new Error('no answer'), { code: 'E_HANDLER' });
      return value;
    });
    this.#work.push(this.#ask(), this.#changeListeners());
  }

  static async join(id: string): Promise<Participant> {
    const options = { id, codec: 'bytes', closeTimeout: 60_000 } as const;
    return new Participant(await Bus.join<Uint8Array>(name, options));
  }

  get tally(): Tally {
    return { sent: this.#sent, received: this.#received, thrown, requests: this.#requests };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#work.splice(0));
  }

  readonly #receive = (value: Uint8Array, from: string): void => {
    const message = Buffer.from(value.buffer, value.byteOffset, value.length);
    const number = message.readUInt32LE(0);
    const expected = this.#received[from] ?? 0;
    if (number !== expected) {
      throw new Error(`${this.bus.id}: message ${number} from ${from}, expected ${expected}`);
    }
    if (message.readUInt32LE(4) !== crc32(message.subarray(prefixBytes))) {
      throw new Error(`${this.bus.id}: message ${number} from ${from} is damaged`);
    }
    this.#received[from] = expected + 1;
    mayThrow(100);
  };

  async #sendTo(to: string): Promise<void> {
    while (!this.#stopped && this.bus.peers.has(to)) {
      // Mostly short, sometimes as long as allowed.
      const length = next(4) === 0 ? next(Number(longest) - prefixBytes) : next(500);
      const at = next(pool.length - length);
      const payload = pool.subarray(at, at + length);
      const message = Buffer.allocUnsafe(prefixBytes + length);
      message.writeUInt32LE(this.#sent[to] ?? 0, 0);
      message.writeUInt32LE(crc32(payload), 4);
      message.set(payload, prefixBytes);
      try {
        while (!this.bus.send(to, message)) await this.bus.ready(to);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ERR_UNKNOWN_PEER' || code === 'ERR_PEER_CLOSED') return;
        throw error;
      }
      this.#sent[to] = (this.#sent[to] ?? 0) + 1;
      await nextTurn();
    }
  }

  /** Requests to anybody, with little time. */
  async #ask(): Promise<void> {
    while (!this.#stopped) {
      const peers = [...this.bus.peers];
      const to = peers[next(peers.length || 1)];
      await delay(next(10));
      if (to === undefined || this.#stopped) continue;
      const value = Buffer.allocUnsafe(next(1000));
      const end = await this.bus.request(to, value, { timeout: next(40) }).then(
        answer => (value.equals(answer) ? 'answered' : 'another answer'),
        (error: unknown) => (error as NodeJS.ErrnoException).code ?? String(error),
      );
      if (end !== 'answered' && !expectedEnds.includes(end)) {
        throw new Error(`${this.bus.id}: a request to ${to} ended with ${end}`);
      }
      this.#requests[end] = (this.#requests[end] ?? 0) + 1;
    }
  }

  /** Now and then nobody listens, in the middle of what comes. */
  async #changeListeners(): Promise<void> {
    while (!this.#stopped) {
      await delay(next(60));
      this.bus.off('message', this.#receive);
      if (next(2) === 0) await delay(next(200));
      this.bus.on('message', this.#receive);
    }
  }
}

let participant = await Participant.join(firstId);
let closed = false;

// Without its parent it would run for ever.
process.once('disconnect', () => {
  if (!closed) process.exit(1);
});

async function obey(order: string): Promise<void> {
  if (order === 'close') {
    await participant.bus.close();
    closed = true;
    process.disconnect();
    return;
  }
  if (order === 'stop') await participant.stop();
  const { tally } = participant;
  if (order.startsWith('rejoin ')) {
    await participant.stop();
    await participant.bus.close();
    participant = await Participant.join(order.slice(7));
  }
  process.send!(tally);
}

process.on('message', order => void obey(order as string));
process.send!('joined');
await once(process, 'disconnect');
