import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import type { RegionReport } from '../../src/command/region-report.js';
import { dial, Ring } from '../../src/index.js';
import { Field, ringHeaderBytes, layoutVersion, Magic } from '../../src/transport/ring/layout.js';
import { message, startAlone, startProgram } from '../support/processes.js';
import {
  script,
  onLinux,
  onWindows,
  run,
  told,
  list,
  stat,
  startPeer,
  workDirectory,
} from './support.js';

describe('The command', () => {
  const directory = workDirectory();

  it('ls: every kind of region, who has it open and what is in it', async () => {
    const { peer, names } = await startPeer();
    const looks = await list();
    const kinds = new Map(looks.map(({ name, kind }) => [name, kind]));
    expect(kinds.get(names.ring)).to.equal('ring');
    expect(kinds.get(names.channel)).to.equal('channel');
    expect(kinds.get(names.arena)).to.equal('arena');
    expect([...kinds.values()].sort()).to.deep.equal([
      'arena',
      'channel',
      'memory',
      'peer of a bus',
      'ring',
    ]);
    for (const { state, pids } of looks) {
      expect(state).to.equal('in use');
      if (onLinux) expect(pids).to.deep.equal([peer.pid]);
    }
    const text = await told('ls');
    expect(text).to.match(new RegExp(`${names.ring} +ring +65 KiB +in use +.* 320 B of 64 KiB\n`));
    expect(text).to.match(/1 of 2 parts in use, 0 tasks/);
    expect(text).not.to.match(/doorbell/);
    const all = await told('ls', '--all');
    if (!onWindows) expect(all).to.match(/doorbell/); // it is not a file there
  });

  it('stat: counters, roles and processes; by name, by its beginning, by path', async () => {
    const { peer, names } = await startPeer();
    const { content, path } = await stat(names.ring.slice(0, 12));
    if (content?.kind !== 'ring') throw new Error(`got ${content?.kind}`);
    expect(content.rings).to.have.length(1);
    const [stats] = content.rings;
    expect(stats).to.include({ capacity: 65536, used: 320, bytesWritten: 320, recordsWritten: 2 });
    expect(stats!.producer).to.include({ state: 'attached', pid: peer.pid, alive: true });
    expect(stats!.consumer).to.include({ state: 'never', pid: 0, alive: false });
    expect(await stat(path)).to.deep.include({ name: names.ring, content });

    const text = await told('stat', names.channel);
    expect(text)
      .to.match(/^kind +channel$/m)
      .and.to.match(/^ring 2$/m);
    expect(text).to.match(new RegExp(`producer +process ${peer.pid}, attached`));
    expect(await told('stat', names.arena)).to.match(/^parts +1 of 2 in use/m);
    expect(await told('stat', names.memory)).to.match(/\(12345 bytes\)/);
  });

  it('a connection has no name any more, and is found all the same', async () => {
    const { peer } = await startPeer();
    const address = join(directory(), 'socket');
    const listening = message(peer);
    peer.send(address);
    await listening;
    const conn = await dial(address);
    await new Promise(resolve => conn.write(Buffer.alloc(1000), resolve));
    const looks = (await list()).filter(({ kind }) => kind === 'connection');
    expect(looks).to.have.length(1);
    const [{ state, pids, content, name }] = looks as [RegionReport];
    expect(state).to.equal('unlinked');
    expect(pids).to.have.members([process.pid, peer.pid]);
    if (content?.kind !== 'connection') throw new Error(`got ${content?.kind}`);
    expect(content.rings.map(ring => ring.bytesWritten).sort()).to.deep.equal([0, 1000]);
    expect(await stat(name)).to.include({ kind: 'connection' });
    conn.end();
    await once(conn, 'close');
  });

  it('stat: a ring that is kept in a file, in use and not', async () => {
    const path = join(directory(), 'jobs.ring');
    {
      using ring = Ring.create({ capacity: 4096, path });
      ring.producer().tryWrite(new Uint8Array(8));
      expect(await stat(path)).to.include({ kind: 'ring', state: 'in use' });
    }
    const { state, content } = await stat(path);
    expect(state).to.equal('not in use');
    expect(content).to.have.nested.property('rings[0].producer.state', 'ended');
  });

  it('top: what goes through the rings, by the second', async () => {
    using ring = Ring.create({ capacity: 65536 });
    const producer = ring.producer();
    const consumer = ring.consumer();
    const record = new Uint8Array(100);
    const traffic = setInterval(() => {
      for (let i = 0; i < 100; i++) {
        producer.tryWrite(record);
        consumer.tryRead();
      }
    }, 1);
    try {
      const tables = (await told('top', '--count', '3', '--interval', '200')).split('\n\n');
      expect(tables.filter(table => table.startsWith('REGION'))).to.have.length(3);
      const row = new RegExp(`ring-\\w+ 1 +${process.pid} +${process.pid} .*`);
      const first = row.exec(tables[1]!)![0];
      const last = row.exec(tables[5]!)![0];
      expect(first).not.to.match(/MB/);
      const [, messages, thousands] = / KiB +([\d.]+)( k)? +[\d.]+ [kM]B /.exec(last)!;
      expect(Number(messages) * (thousands ? 1000 : 1)).to.be.within(1000, 100_000);
    } finally {
      clearInterval(traffic);
    }
  });

  it('top in a terminal: q and Ctrl-C end it, and the terminal is as it was', async () => {
    for (const key of ['qq', '\u0003']) {
      // A clone may lie in a folder whose name has a blank, or anything else.
      const quoted = [process.execPath, script].map(path => `'${path.replaceAll("'", "'\\''")}'`);
      const line = `${quoted.join(' ')} top --interval 60000; stty -a`;
      const child = startProgram('script', ['-qec', line, '/dev/null']);
      let screen = '';
      child.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
      while (!screen.includes('REGION')) await once(child.stdout, 'data');
      child.stdin.write(key);
      await once(child, 'close');
      expect(screen).to.include('\u001b[?1049h').and.to.include('\u001b[?25h\u001b[?1049l');
      expect(screen)
        .to.match(/ icanon\b/)
        .and.to.match(/ echo\b/);
    }
  });

  it('reap: what a killed process left, which ls and stat show', async () => {
    const { peer, names } = await startPeer();
    peer.kill('SIGKILL');
    await once(peer, 'exit');
    const states = new Set((await list()).map(({ state }) => state));
    expect([...states]).to.deep.equal(['left over']);
    expect(await told('stat', names.ring)).to.match(/process \d+, killed/);
    const { code, stdout, stderr } = await run('reap');
    expect(code).to.equal(0);
    expect(stdout.split('\n')).to.include.members([names.ring, names.channel, names.memory]);
    expect(stderr).to.match(/^\d+ removed\n$/);
    expect(await told('ls')).to.equal('no regions\n');
  });

  it('looking keeps nothing alive: regions go with their users while top looks', async () => {
    const { MMAP_TRANSPORT_DIR: regions } = process.env;
    const child = startAlone(script, ['top', '--interval', '1']);
    await once(child.stdout!, 'data');
    for (let i = 0; i < 300; i++) {
      using ring = Ring.create({ capacity: 4096 });
      expect(existsSync(ring.handle.path)).to.equal(true);
      if (i % 10 === 0) await once(child.stdout!, 'data');
    }
    expect(readdirSync(regions!)).to.deep.equal([]);
    child.kill();
    await once(child, 'exit');
  });

  it('regions of more than 2 GiB, and more than 4 GiB through a ring', async function () {
    this.timeout(60_000);
    // As large as the largest channel, without its memory: only the first page is looked at.
    const path = join(process.env.MMAP_TRANSPORT_DIR!, `ring-${'a'.repeat(24)}`);
    const bytes = 2 * (ringHeaderBytes + 2 ** 30);
    const fd = openSync(path, 'wx+', 0o600);
    const header = Int32Array.from({ length: ringHeaderBytes / 4 }, () => 0);
    header.set([Magic.ring], Field.magic);
    header.set([layoutVersion], Field.version);
    header.set([2 ** 30], Field.capacity);
    ftruncateSync(fd, bytes);
    for (const at of [0, bytes / 2])
      writeSync(fd, new Uint8Array(header.buffer), 0, ringHeaderBytes, at);
    closeSync(fd);
    expect((await list()).find(look => look.path === path)).to.include({
      kind: 'channel',
      size: bytes,
    });
    rmSync(path);

    using ring = Ring.create({ capacity: 2 ** 20 });
    const [producer, consumer] = [ring.producer(), ring.consumer()];
    const record = new Uint8Array(2 ** 19 - 8);
    for (let i = 0; i < 9000; i++) {
      producer.tryWrite(record);
      consumer.peek();
      consumer.release();
    }
    const { content } = await stat(basename(ring.handle.path));
    expect(content).to.have.nested.property('rings[0].bytesWritten', 9000 * 2 ** 19);
  });
});
