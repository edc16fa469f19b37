import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { skip } from '../../native/support.js';
import { hasEnded, message, sibling, start } from '../../support/processes.js';
import { Buses, Counted, until } from './support.js';

const script = sibling(import.meta.url, './exits-peer.js');
const witness = sibling(import.meta.url, './bus-peer.js');

describe('What a peer of a bus has accepted', function () {
  this.timeout(60_000);

  const buses = new Buses('exits');

  afterEach(() => buses.close());

  for (const how of ['cold', 'warm']) {
    for (const end of ['exit', 'throw', 'kill']) {
      it(`arrives before its leave is seen: ${how}, and then ${end}`, async () => {
        const bus = await buses.join('here');
        bus.onRequest(value => value);
        const { received } = new Counted(bus);
        for (let round = 0; round < 3; round++) {
          const id = `${how} ${end} ${round}`;
          const child = start(script, [buses.name, id, how, end], { silent: true });
          await message(child);
          const left = once(bus, 'leave').then(told => [...(told as unknown[]), received[id]]);
          child.send('go');
          expect(await left).to.deep.equal([id, 'died', 50]);
        }
      });
    }
  }

  it('arrives though the other is busy while several end, and a third cleans up', async function () {
    if (process.platform === 'win32')
      skip(this, 'a pipe that nobody has accepted ends with its dialer');
    const folder = mkdtempSync(join(tmpdir(), 'mmap-transport-go-'));
    const bus = await buses.join('here');
    const { received } = new Counted(bus);
    const order: string[] = [];
    bus.on('leave', id => order.push(`${id} left after ${received[id] ?? 0}`));
    try {
      await message(start(witness, [JSON.stringify({ name: buses.name, id: 'witness' })]));
      const children: ChildProcess[] = [];
      const go = join(folder, 'go');
      for (const end of ['exit', 'kill', 'exit', 'kill', 'exit', 'kill']) {
        const id = `peer ${children.length}`;
        const child = start(script, [buses.name, id, 'cold', end, go]);
        children.push(child);
        await message(child);
      }
      await until(() => bus.peers.size === 7);
      writeFileSync(go, '');
      const pause = new Int32Array(new SharedArrayBuffer(4));
      // Blocked until they have ended, and the witness has removed what they left: their marks.
      const marks = () =>
        readdirSync(process.env.MMAP_TRANSPORT_DIR!).filter(name =>
          /^bus-[0-9a-f]{24}$/.test(name),
        );
      while (!children.every(({ pid }) => hasEnded(pid!)) || marks().length > 2) {
        Atomics.wait(pause, 0, 0, 10);
      }
      await until(() => order.length === 6);
      expect(order.sort()).to.deep.equal(children.map((_, index) => `peer ${index} left after 50`));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
