import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statfsSync } from 'node:fs';
import { expect } from 'chai';
import { type Conn, dial, listen } from '../../../src/index.js';
import { collect, held, needsDescriptors, scratch } from '../../native/support.js';
import { atOnce, leftLinks, socketPath } from '../../support/platform.js';
import { random } from '../../support/traffic.js';
import { closed, readBytes } from './conn-pairs.js';

describe('Many connections', function () {
  this.timeout(60_000);
  const path = scratch();
  const at = (name: string) => socketPath(path(name));

  it('a thousand, opened, used and dropped in random ways, leave nothing', async () => {
    const pick = random(31);
    const drop = (conn: Conn) => {
      const way = pick(6);
      if (way === 0) conn.end();
      if (way === 1) conn.end(Buffer.alloc(pick(300_000)));
      if (way === 2) conn.destroy();
      if (way === 3) conn.destroy(new Error('dropped'));
      if (way === 4) conn.resetAndDestroy();
      if (way === 5) conn.destroySoon();
      conn.resume();
    };
    const listener = await listen(at('thousand'), conn => {
      conn.on('error', () => {});
      if (pick(2) === 0) conn.once('data', () => drop(conn));
      else conn.pipe(conn);
    });
    const one = async () => {
      const conn = await dial(at('thousand'), { capacity: 2 ** (12 + pick(6)) });
      conn.on('error', () => {});
      const gone = closed(conn);
      conn.write(Buffer.alloc(1 + pick(100_000)));
      if (pick(2) === 0) await Promise.race([once(conn, 'data').catch(() => {}), gone]);
      drop(conn);
      if (pick(4) === 0) conn.unref().ref();
      await gone;
    };
    const rounds = async (count: number) => {
      for (let i = 0; i < count; i += 20) await Promise.all(Array.from({ length: 20 }, one));
      for (const conn of listener.connections) if (!conn.destroyed) drop(conn);
      while (listener.connections.size > 0) await collect();
      await collect();
    };
    await rounds(300);
    const before = held();
    await rounds(1000);
    const after = held();
    expect(after.descriptors).to.be.at.most(before.descriptors);
    expect(after.mappings - before.mappings, 'of a thousand').to.be.below(300);
    expect(after.residentBytes - before.residentBytes).to.be.below(48 << 20);
    expect(leftLinks()).to.deep.equal([]);
    await listener.close();
  });

  it('five hundred at once share memory within 256 MiB, and idle they cost no CPU', async function () {
    needsDescriptors(this, 2000);
    const directory = path('regions');
    mkdirSync(directory, { mode: 0o700 });
    const options = 'size=256m,mode=0700';
    const mounted =
      spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory]).status === 0;
    if (!mounted) console.log('      its own tmpfs is left out: this user may not mount one');
    try {
      const before = statfsSync(directory);
      const listener = await listen(at('many'), { directory }, conn => conn.pipe(conn));
      const conns: Conn[] = [];
      while (conns.length < 500) {
        const some = Array.from({ length: atOnce(500) }, () => dial(at('many')));
        conns.push(...(await Promise.all(some)));
      }
      for (const conn of conns)
        expect(conn.transport, conn.fallbackReason).to.equal('shared-memory');
      if (mounted) {
        const { bfree, bsize } = statfsSync(directory);
        expect((before.bfree - bfree) * bsize).to.be.within(64 << 20, 256 << 20);
      }
      const echo = async (conn: Conn, i: number) => {
        conn.write(`this is ${i}`);
        expect(String(await readBytes(conn, 8 + String(i).length))).to.equal(`this is ${i}`);
      };
      await Promise.all(conns.map(echo));
      // Idle: the only work left is to check peers now and then.
      await new Promise(resolve => setTimeout(resolve, 100));
      const start = process.cpuUsage();
      await new Promise(resolve => setTimeout(resolve, 1000));
      const { user, system } = process.cpuUsage(start);
      expect((user + system) / 1e6, 'seconds of CPU in one second').to.be.below(0.15);
      await Promise.all(conns.map(echo));
      for (const conn of conns) conn.destroy();
      await listener.close();
      expect(leftLinks(directory)).to.deep.equal([]);
    } finally {
      if (mounted) expect(spawnSync('umount', [directory]).status, 'it is free').to.equal(0);
    }
  });
});
