import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { Piscina } from 'piscina';
import { PayloadArena, runWithPayloads } from '../../../src/transport/piscina/index.js';
import { message, sibling, start } from '../../support/processes.js';
import type { Report } from './partner.js';
import { pattern, workshop } from './support.js';

const partner = sibling(import.meta.url, './partner.js');
const names = () => readdirSync(process.env.MMAP_TRANSPORT_DIR!);

describe('An arena of several processes', () => {
  const make = workshop(() => Piscina);

  it('cluster workers, each with pools and a part of its own', async () => {
    const arena = make.arena({ bytes: 96 << 20, parts: 3 });
    cluster.setupPrimary({
      exec: partner,
      args: [JSON.stringify(arena.handle), '300'],
      serialization: 'advanced',
    });
    const workers = [cluster.fork(), cluster.fork()];
    const reports = workers.map(async (worker: Worker) => {
      const [[report], [code]] = (await Promise.all([
        once(worker, 'message'),
        once(worker, 'exit'),
      ])) as [[Report], [number]];
      return { report, code };
    });
    const pool = make.pool(arena);
    const own = Array.from({ length: 300 }, async (_, i) => {
      const source = pattern(5000 + i * 10, i);
      expect((await runWithPayloads<Buffer>(pool, arena.share(source))).equals(source)).to.equal(
        true,
      );
    });
    await Promise.all(own);
    for (const { report, code } of await Promise.all(reports)) {
      expect(code).to.equal(0);
      expect(report.same).to.equal(true);
      expect(report.stats).to.include({ blocks: 0, fallbacks: 0, leaks: 0 });
    }
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0, capacity: 32 << 20 });
  });

  it('a process that finds all parts taken has everything cloned, and counted', async () => {
    const arena = make.arena({ bytes: 1 << 20 });
    arena.share(pattern(10), { keep: true });
    const child = start(partner, [JSON.stringify(arena.handle), '50']);
    const { same, stats } = await message<Report>(child);
    expect(same).to.equal(true);
    expect(stats.blocks).to.equal(0);
    expect(stats.fallbacks).to.be.at.least(50);
  });

  it('the part of a killed process is free for the next one, whole', async () => {
    const arena = make.arena({ bytes: 2 << 20 });
    const handle = JSON.stringify(arena.handle);
    for (let i = 0; i < 3; i++) {
      const child = start(partner, [handle, '20', 'wait']);
      const { same, stats } = await message<Report>(child);
      expect(same).to.equal(true);
      expect(stats).to.include({ blocks: 1, fallbacks: 0 });
      const second = await message<Report>(start(partner, [handle, '5']));
      expect(second.stats.fallbacks, 'while it lives').to.be.at.least(5);
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    const all = arena.allocate(arena.stats().capacity);
    expect(arena.stats()).to.include({ blocks: 1, fallbacks: 0 });
    all.release();
  });

  it('the name goes with its last user, though the maker was killed', async () => {
    const maker = start(sibling(import.meta.url, './maker.js'), []);
    const handle = await message<{ path: string }>(maker);
    const arena = PayloadArena.open(handle);
    const gone = once(maker, 'exit');
    maker.kill('SIGKILL');
    await gone;
    expect(names()).to.have.length(1);
    arena.share(pattern(10)).release();
    arena.close();
    expect(names()).to.deep.equal([]);
  });

  it('a thread that owns an arena gives up its part when it is terminated', async () => {
    const arena = make.arena({ bytes: 1 << 20 });
    const pool = make.pool(arena, { filename: sibling(import.meta.url, './maker.js') });
    expect(await pool.run(arena.handle, { name: 'takePart' })).to.equal(0);
    arena.share(pattern(9)).release();
    expect(arena.stats().fallbacks, 'taken').to.equal(1);
    await pool.destroy();
    arena.share(pattern(9)).release();
    expect(arena.stats().fallbacks, 'free').to.equal(1);
  });
});
