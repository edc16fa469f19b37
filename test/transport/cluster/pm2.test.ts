import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Bus } from '../../../src/index.js';
import { readableByAll } from '../../support/other-user.js';
import { sibling, start, startAlone } from '../../support/processes.js';

const pm2Program = createRequire(import.meta.url).resolve('pm2/bin/pm2');
const peer = sibling(import.meta.url, '../bus/bus-peer.js');
const compiled = sibling(import.meta.url, './pm2-app.js');
// PM2 starts nothing whose path has a blank, which a clone's may have.
const app = compiled.includes(' ') ? readableByAll(compiled) : compiled;

describe('A bus with workers of PM2', function () {
  this.timeout(60_000);

  const name = `pm2 ${randomUUID()}`;
  let home: string;

  /** PM2's own command, with a home and a daemon of this test's own. */
  async function pm2(...args: string[]): Promise<void> {
    const env = { ...process.env, PM2_HOME: home, BUS_NAME: name, PM2_DISCRETE_MODE: 'true' };
    await promisify(execFile)(process.execPath, [pm2Program, ...args], { env });
  }

  before(() => {
    // A short path: PM2 makes sockets in it.
    home = mkdtempSync(join(tmpdir(), 'pm2-'));
  });

  after(() => rmSync(home, { recursive: true }));

  it('joins them with threads, forked and unrelated processes, all with all', async () => {
    const bus = await Bus.join(name, { id: 'test' });
    const thread = new Worker(peer, { workerData: { name, id: 'thread' } });
    for (const id of ['stranger', 'other']) startAlone(peer, [JSON.stringify({ name, id })]);
    start(peer, [JSON.stringify({ name, id: 'forked' })]);
    try {
      // Stated explicitly: on Windows PM2 does not run a `node.exe` in this mode by itself.
      const config = join(home, 'app.json');
      const plan = { name: 'app', script: app, instances: 2, exec_mode: 'cluster' };
      writeFileSync(config, JSON.stringify({ apps: [plan] }));
      await pm2('start', config);
      while (bus.peers.size < 6) await once(bus, 'join');

      const all = ['test', ...bus.peers].sort();
      const workers = all.filter(id => id.startsWith('pm2 '));
      expect(workers).to.have.length(2);
      expect(all).to.have.members([...workers, 'forked', 'other', 'stranger', 'test', 'thread']);
      for (const id of bus.peers) {
        const others = all.filter(other => other !== id);
        // The last one to come may have met this process before it met that peer.
        const peersOf = () => bus.request(id, { does: 'peers' }) as Promise<unknown[]>;
        while ((await peersOf()).length < others.length);
        expect(await peersOf()).to.deep.equal(others);
      }
      for (const id of workers) {
        for (const to of ['thread', 'forked', 'stranger', 'other']) {
          expect(await bus.request(id, { does: 'ask', to })).to.equal(id);
        }
        // The other worker, and a thread of each.
        const others = workers.flatMap(other => [other.slice(4), `${other.slice(4)}/1`]);
        const fellows = others.filter(other => other !== id.slice(4)).sort();
        while (((await bus.request(id, { does: 'fellows' })) as unknown[]).length < 3);
        expect(await bus.request(id, { does: 'fellows' })).to.deep.equal(
          fellows.map(fellow => `${fellow} through PM2's cluster`),
        );
      }
      // A reload by PM2: the new ones have new ids.
      await pm2('reload', 'app');
      while ([...bus.peers].some(id => workers.includes(id)) || bus.peers.size < 6) {
        await Promise.race([once(bus, 'join'), once(bus, 'leave')]);
      }
    } finally {
      await pm2('kill');
      await bus.close();
      await thread.terminate();
    }
  });
});
