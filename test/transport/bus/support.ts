import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Bus, type BusOptions, type Codec } from '../../../src/index.js';

/** A codec whose decoder rejects one value, so that a link breaks. */
export const refusing: Codec<unknown> = {
  encode: value => Buffer.from(JSON.stringify(value)),
  decode(bytes) {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    if (value === 'refused') throw new RangeError('not this one');
    return value;
  },
};

/** Buses of one name in this thread; closed after each test of the suite. */
export class Buses {
  readonly name: string;
  #open: Bus[] = [];

  constructor(what: string) {
    this.name = `${what} ${randomUUID()}`;
  }

  async join(id: string, options: BusOptions<unknown> = {}, name = this.name): Promise<Bus> {
    const bus = await Bus.join(name, { id, ...options });
    this.#open.push(bus);
    return bus;
  }

  /** All of them, which see each other. */
  async meet(ids: string[], options: BusOptions<unknown> = {}, name = this.name): Promise<Bus[]> {
    const all = await Promise.all(ids.map(id => this.join(id, options, name)));
    for (const bus of all) while (bus.peers.size < ids.length - 1) await once(bus, 'join');
    return all;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map(bus => bus.close()));
  }
}

/** Until a condition holds; the test's time limit is the watchdog. */
export async function until(condition: () => unknown): Promise<void> {
  while (!condition()) await nextTurn();
}

/** Sends numbers from 0 on, all of them, to one peer. */
export async function count(bus: Bus, to: string, total: number, filling = ''): Promise<void> {
  for (let number = 0; number < total; number++) {
    const value = filling ? { number, filling } : number;
    while (!bus.send(to, value)) await bus.ready(to);
  }
}

/** What {@link count} of others sends to a bus: how many came of each; or what was wrong. */
export class Counted {
  readonly received: Record<string, number> = {};
  wrong: string | undefined;

  constructor(bus: Bus) {
    bus.on('message', this.take);
  }

  readonly take = (value: unknown, from: string): void => {
    const number = typeof value === 'number' ? value : (value as { number: number }).number;
    const expected = this.received[from] ?? 0;
    if (number !== expected) this.wrong ??= `${number} from ${from}, expected ${expected}`;
    this.received[from] = number + 1;
  };
}

/** Bytes of the memory of links that this process has mapped, each once. Linux only. */
export function linkMemory(): number {
  const sizes = new Map<string, number>();
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const [, from, to, offset, inode] =
      /^(\w+)-(\w+) \S+ (\w+) \S+ (\d+)\s+\S*\/link-/.exec(line) ?? [];
    if (inode === undefined) continue;
    const end = parseInt(offset!, 16) + parseInt(to!, 16) - parseInt(from!, 16);
    sizes.set(inode, Math.max(end, sizes.get(inode) ?? 0));
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
