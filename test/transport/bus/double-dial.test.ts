import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { ringHeaderBytes } from '../../../src/transport/ring/layout.js';
import { skip } from '../../native/support.js';
import { message, sibling, start } from '../../support/processes.js';
import { Buses, count, Counted, linkMemory, until } from './support.js';

/** Bytes of a link's memory, in whole pages. */
const pair = Math.ceil((2 * (ringHeaderBytes + 2 ** 20)) / 4096) * 4096;

const script = sibling(import.meta.url, './double-dial-peer.js');

describe('Peers of a bus that all send at once', function () {
  this.timeout(60_000);

  const buses = new Buses('at once');

  afterEach(() => buses.close());

  const ids = (size: number) => Array.from({ length: size }, (_, i) => `peer ${i}`);

  for (const size of [2, 3, 4, 5]) {
    it(`keep the order of each pair: ${size} in one thread, again and again`, async () => {
      for (let round = 0; round < 60 / size; round++) {
        const capacity = [4096, 65536, 1 << 20][round % 3]!;
        const all = await buses.meet(ids(size), { capacity }, `${buses.name} ${round}`);
        const total = 200;
        const counted = all.map(bus => new Counted(bus));
        const sent = all.flatMap(bus =>
          [...bus.peers].map(to => count(bus, to, total, 'x'.repeat(99))),
        );
        // In the middle some do not listen for a while.
        for (const [index, bus] of all.entries()) {
          if ((index + round) % 2 === 0) continue;
          bus.removeAllListeners('message');
          await delay(round % 5);
          bus.on('message', counted[index]!.take);
        }
        await Promise.all(sent);
        for (const [index, bus] of all.entries()) {
          const { received } = counted[index]!;
          await until(() => [...bus.peers].every(from => received[from] === total));
        }
        for (const { wrong } of counted) expect(wrong).to.equal(undefined);
        await buses.close();
      }
    });
  }

  it('come to one link a pair, and its 2 MiB', async function () {
    if (process.platform !== 'linux') skip(this, 'there is no /proc to look into');
    const before = linkMemory();
    for (let round = 0; round < 10; round++) {
      const all = await buses.meet(ids(4), {}, `${buses.name} memory ${round}`);
      const counted = all.map(bus => new Counted(bus));
      for (const bus of all) expect(bus.broadcast(0)).to.deep.equal([]);
      // Each has dialled each.
      expect(linkMemory() - before).to.equal(12 * pair);
      await until(() => counted.every(({ received }) => Object.keys(received).length === 3));
      await until(() => linkMemory() - before === 6 * pair);
      for (const bus of all) {
        expect(bus.broadcast(1)).to.deep.equal([]);
        for (const { linked, route } of bus.stats().peers)
          expect([linked, route]).to.deep.equal([true, 'memory']);
      }
      await until(() =>
        counted.every(({ received }) => Object.values(received).every(n => n === 2)),
      );
      await buses.close();
    }
  });

  it('keep the order, and lose nothing, where there is memory for some links only', async function () {
    const directory = mkdtempSync(join(tmpdir(), 'mmap-transport-full-'));
    const options = `mode=700,size=${3 << 20}`;
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory]).status !== 0) {
      rmSync(directory, { recursive: true });
      skip(this, 'this user may not mount a tmpfs');
    }
    try {
      const routes = new Set<string>();
      for (let round = 0; round < 8; round++) {
        const all = await buses.meet(ids(3), { directory }, `${buses.name} full ${round}`);
        const counted = all.map(bus => new Counted(bus));
        const sent = all.flatMap(bus =>
          [...bus.peers].map(to => count(bus, to, 300, 'x'.repeat(round * 500))),
        );
        await Promise.all(sent);
        await until(() =>
          counted.every(({ received }) => {
            const numbers = Object.values(received);
            return numbers.length === 2 && numbers.every(number => number === 300);
          }),
        );
        for (const { wrong } of counted) expect(wrong).to.equal(undefined);
        for (const bus of all) for (const { route } of bus.stats().peers) routes.add(route);
        await buses.close();
      }
      expect([...routes].sort()).to.deep.equal(['memory', 'socket']);
    } finally {
      await buses.close();
      expect(spawnSync('umount', [directory]).status).to.equal(0);
      rmSync(directory, { recursive: true });
    }
  });

  it('keep the order across processes, and all that one had sent that is killed on the way', async () => {
    const bus = await buses.join('here');
    const witness = await buses.join('witness');
    witness.onRequest(value => value);
    const counted = new Counted(bus);
    for (let round = 0; round < 16; round++) {
      const id = `child ${round}`;
      // A pipe takes nothing before the event loop turns, and one that dies at once has no turn.
      const dies = round % 2 === 1 && process.platform !== 'win32';
      const child = start(script, [buses.name, id, dies ? 'die' : 'live']);
      const joined = once(bus, 'join');
      expect(await message(child)).to.equal('joined');
      if (!bus.peers.has(id)) await joined;
      const left = once(bus, 'leave') as Promise<[string, string]>;
      child.send('go');
      await delay(round % 4); // so that the two dials meet at different stages
      try {
        bus.send(id, 0);
      } catch (error) {
        // One that dies may have gone by now.
        if (!dies || (error as NodeJS.ErrnoException).code !== 'ERR_UNKNOWN_PEER') throw error;
      }
      if (!dies) {
        await count(bus, id, 0);
        await until(() => counted.received[id] === 500);
        child.send('close');
      }
      expect(await left).to.deep.equal([id, dies ? 'died' : 'closed']);
      expect(counted.wrong).to.equal(undefined);
      expect(counted.received[id]).to.equal(500);
      expect(await bus.request('witness', round)).to.equal(round);
    }
  });

  it('are not troubled by one that is killed at any moment of it', async () => {
    const bus = await buses.join('here');
    const witness = await buses.join('witness');
    witness.onRequest(value => value);
    const counted = new Counted(bus);
    for (let round = 0; round < 12; round++) {
      const id = `victim ${round}`;
      const child = start(script, [buses.name, id, 'live']);
      const joined = once(bus, 'join');
      expect(await message(child)).to.equal('joined');
      if (!bus.peers.has(id)) await joined;
      const left = once(bus, 'leave');
      child.send('go');
      bus.send(id, 0);
      await delay(round);
      child.kill('SIGKILL');
      expect(await left).to.deep.equal([id, 'died']);
      expect(counted.wrong).to.equal(undefined);
      expect(await bus.request('witness', round)).to.equal(round);
    }
  });
});
