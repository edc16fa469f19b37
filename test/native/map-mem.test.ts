import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { openFile, openMem, reap } from '../../src/index.js';
import { message, sibling, start } from '../support/processes.js';
import { thrown } from '../support/errors.js';
import { scratch, skip } from './support.js';

const peer = sibling(import.meta.url, './mem-peer.js');
const home = () => process.env.MMAP_TRANSPORT_DIR!;
const isRoot = process.getuid?.() === 0;

describe('openMem', () => {
  const path = scratch();

  it('makes a segment that others open by its id, read-only by default', () => {
    using mine = openMem({ bytes: 10_000 });
    expect(mine).to.include({ length: 10_000, capacity: 10_000, owner: true, writable: true });
    expect(mine.id).to.match(/^[0-9a-f]{24}$/);
    expect(mine.bytes.every(byte => byte === 0)).to.equal(true);
    mine.write(Buffer.from('hello'));
    using theirs = openMem(mine.id);
    expect(theirs).to.include({ length: 10_000, capacity: 10_000, owner: false, writable: false });
    expect(theirs.id).to.equal(mine.id);
    expect(Buffer.from(theirs.bytes.subarray(0, 5)).toString()).to.equal('hello');
    expect(thrown(() => theirs.writeByte(1)).code).to.equal('EBADF');
    using part = openMem(mine.id, { bytes: 100, access: 'read-write' });
    expect(part).to.include({ length: 100, capacity: 10_000, writable: true });
    part.writeAt(Buffer.from('J'), 0);
    expect(mine.at(0)).to.equal('J'.charCodeAt(0));
  });

  it('is one page by default, in a private file of a private directory', () => {
    using mem = openMem();
    expect(mem.length).to.be.at.least(4096);
    expect(mem.length % 4096).to.equal(0);
    const stats = statSync(join(home(), `mem-${mem.id}`));
    expect(stats.mode & 0o777).to.equal(0o600);
    expect(stats.blocks * 512).to.be.at.least(mem.length);
    expect(statSync(home()).mode & 0o777).to.equal(0o700);
  });

  it("the name goes with the owner's close; other handles keep the memory", () => {
    const mine = openMem();
    const theirs = openMem(mine.id);
    mine.writeByte(5);
    mine.close();
    mine.close();
    expect(readdirSync(home())).to.deep.equal([]);
    expect(theirs.at(0)).to.equal(5);
    expect(thrown(() => openMem(mine.id)).code).to.equal('ENOENT');
    theirs.close();
  });

  it("another's close leaves the owner's segment", () => {
    using mine = openMem();
    openMem(mine.id).close();
    openMem(mine.id, { access: 'read-write' }).close();
    openMem(mine.id).close();
  });

  it('refuses sizes beyond the segment, malformed ids and bad arguments', () => {
    using mem = openMem({ bytes: 5000 });
    const error = thrown(() => openMem(mem.id, { bytes: 5001 }));
    expect(error.code).to.equal('ERR_OUT_OF_RANGE');
    expect(error.message).to.contain('5000').and.to.contain('5001');
    for (const id of ['', '../../etc/passwd', 'x'.repeat(24), mem.id + '0', null, 7]) {
      expect(thrown(() => openMem(id as string)).code, String(id)).to.equal('ERR_INVALID_ARG');
    }
    for (const bytes of [0, -1, 1.5, Number.NaN, 2 ** 60]) {
      expect(thrown(() => openMem({ bytes })).code).to.equal('ERR_OUT_OF_RANGE');
    }
    expect(thrown(() => openMem({ bytes: '9' as never })).code).to.equal('ERR_INVALID_ARG');
    expect(thrown(() => openMem({ access: 'write' as never })).code).to.equal('ERR_INVALID_ARG');
    expect(thrown(() => openMem(new SharedArrayBuffer(8))).code).to.equal('ERR_INVALID_ARG');
    expect(thrown(() => openMem('0'.repeat(24))).code).to.equal('ENOENT');
    expect(readdirSync(home())).to.deep.equal([`mem-${mem.id}`]);
  });

  it('takes up memory of a file that a thread was handed', () => {
    writeFileSync(path('handed'), 'handed');
    using file = openFile(path('handed'));
    using mem = openMem(file.buffer);
    expect(mem).to.include({ length: 6, writable: false, owner: false, id: path('handed') });
    expect(Buffer.from(mem.bytes).toString()).to.equal('handed');
    expect(openMem(new SharedArrayBuffer(0)).length).to.equal(0);
  });

  it('carries bytes between processes', async () => {
    using mem = openMem({ bytes: 4096 });
    const child = start(peer, ['count', mem.id]);
    const exited = once(child, 'exit');
    await message(child);
    const words = new Int32Array(mem.buffer);
    for (let i = 0; i < 100_000; i++) Atomics.add(words, 1, 1);
    while (Atomics.load(words, 2) === 0) await nextTurn();
    child.send('end');
    await exited;
    expect(Atomics.load(words, 1)).to.equal(100_000 + Atomics.load(words, 2));
  });

  describe('after kill -9', () => {
    async function killed(what: string, id = ''): Promise<string> {
      const child = start(peer, [what, id]);
      const made = await message<string>(child);
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      return made;
    }

    it('the next reap removes what the process left', async () => {
      const id = await killed('own');
      expect(readdirSync(home())).to.deep.equal([`mem-${id}`]);
      expect(reap()).to.deep.equal([`mem-${id}`]);
      expect(reap()).to.deep.equal([]);
    });

    it('so does the next openMem, whether it makes or opens', async () => {
      const first = await killed('own');
      openMem().close();
      expect(readdirSync(home())).to.deep.equal([]);
      const second = await killed('own');
      expect(first).to.not.equal(second);
      expect(thrown(() => openMem(second)).code).to.equal('ENOENT');
    });

    it('a segment whose owner is dead stays while somebody has it, and goes with the last', async () => {
      const child = start(peer, ['own', '']);
      const id = await message<string>(child);
      const mem = openMem(id);
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      expect(reap()).to.deep.equal([]);
      using second = openMem(id);
      expect(second.at(0)).to.equal(77);
      mem.close();
      expect(readdirSync(home())).to.deep.equal([`mem-${id}`]);
    });

    it('a live segment is not touched', async () => {
      const child = start(peer, ['own', '']);
      const id = await message<string>(child);
      expect(reap()).to.deep.equal([]);
      using mine = openMem();
      expect(reap()).to.deep.equal([]);
      expect(readdirSync(home()).sort()).to.deep.equal([`mem-${id}`, `mem-${mine.id}`].sort());
      const exited = once(child, 'exit');
      child.send('end');
      expect(await exited).to.deep.equal([0, null]);
      expect(readdirSync(home())).to.deep.equal([`mem-${mine.id}`]);
    });

    it('nor from another pid namespace, where a dead one is removed', async function () {
      const enter = ['--pid', '--mount-proc', '--fork'];
      if (spawnSync('unshare', [...enter, 'true']).status !== 0) {
        skip(this, 'this user may not make a pid namespace');
      }
      using mine = openMem();
      const dead = await killed('own');
      const module = sibling(import.meta.url, '../../src/index.js');
      const script = `import { openMem, reap } from ${JSON.stringify(module)};
        console.log(JSON.stringify({ pid: process.pid, removed: reap() }));
        openMem(${JSON.stringify(mine.id)}, { access: 'read-write' }).writeByte(9);`;
      const node = [process.execPath, '--input-type=module', '-e', script];
      const answer = execFileSync('unshare', [...enter, ...node], { encoding: 'utf8' });
      expect(JSON.parse(answer)).to.deep.equal({ pid: 1, removed: [`mem-${dead}`] });
      expect(mine.at(0)).to.equal(9);
    });
  });

  it('process.exit(), an uncaught error and the natural end remove the name', async () => {
    for (const [end, code] of [
      ['exit', 0],
      ['throw', 1],
      ['return', 0],
    ] as const) {
      const child = start(peer, ['end', end], { silent: true });
      expect((await once(child, 'exit'))[0], end).to.equal(code);
      expect(readdirSync(home()), end).to.deep.equal([]);
    }
  });

  describe('refuses what others can reach', () => {
    const own = (name: string) => {
      const directory = path(name);
      mkdirSync(directory, { mode: 0o700 });
      return directory;
    };

    it('a directory that others may enter, a link to one, and a file in its place', () => {
      const wide = own('wide');
      for (const mode of [0o755, 0o710, 0o701, 0o720]) {
        chmodSync(wide, mode);
        const error = thrown(() => openMem({ directory: wide }));
        expect(error.code).to.equal('ERR_UNSAFE_DIRECTORY');
        expect(error.message).to.contain(mode.toString(8));
        expect(thrown(() => reap(wide)).code).to.equal('ERR_UNSAFE_DIRECTORY');
      }
      symlinkSync(own('real'), path('linked'));
      expect(thrown(() => openMem({ directory: path('linked') })).code).to.equal(
        'ERR_UNSAFE_DIRECTORY',
      );
      writeFileSync(path('plain'), '');
      const plain = thrown(() => openMem({ directory: path('plain') }));
      expect(plain.code).to.be.oneOf(['ERR_UNSAFE_DIRECTORY', 'EEXIST', 'ENOTDIR']);
    });

    it('files that are links, of a wider mode, or no files', () => {
      const directory = own('files');
      const name = join(directory, `mem-${'a'.repeat(24)}`);
      const code = () => thrown(() => openMem('a'.repeat(24), { directory })).code;
      // Held open under a lease, or it would just be reaped.
      const victim = openMem({ directory });
      const victimPath = join(directory, `mem-${victim.id}`);
      symlinkSync(victimPath, name);
      expect(code()).to.equal('ERR_UNSAFE_FILE');
      unlinkSync(name);
      for (const mode of [0o640, 0o604, 0o660]) {
        chmodSync(victimPath, mode);
        const error = thrown(() => openMem(victim.id, { directory }));
        expect(error.code).to.equal('ERR_UNSAFE_FILE');
        expect(error.message).to.contain(mode.toString(8));
      }
      mkdirSync(name);
      expect(code()).to.equal('ERR_UNSAFE_FILE');
      rmSync(name, { recursive: true });
      execFileSync('mkfifo', ['-m', '600', name]);
      expect(code()).to.equal('ERR_UNSAFE_FILE');
      victim.close();
    });

    it('a directory and a file of another owner', function () {
      if (!isRoot) skip(this, 'only root can give files away');
      const directory = own('theirs');
      const mem = openMem({ directory });
      const file = join(directory, `mem-${mem.id}`);
      chownSync(file, 12345, 12345);
      expect(thrown(() => openMem(mem.id, { directory })).code).to.equal('ERR_UNSAFE_FILE');
      mem.close();
      chownSync(directory, 12345, 12345);
      const error = thrown(() => openMem({ directory }));
      expect(error.code).to.equal('ERR_UNSAFE_DIRECTORY');
      expect(error.message).to.contain('12345');
    });

    it('reap leaves alone what is not of this package', () => {
      const directory = own('mixed');
      const names = ['notes.txt', 'mem-short', `mem-${'g'.repeat(24)}`, `other-${'a'.repeat(24)}`];
      for (const name of names) writeFileSync(join(directory, name), '', { mode: 0o600 });
      symlinkSync(join(directory, 'notes.txt'), join(directory, `mem-${'b'.repeat(24)}`));
      writeFileSync(join(directory, `mem-${'c'.repeat(24)}`), '', { mode: 0o600 });
      expect(reap(directory)).to.deep.equal([`mem-${'c'.repeat(24)}`]);
      expect(readdirSync(directory)).to.have.length(5);
      expect(existsSync(join(directory, 'notes.txt'))).to.equal(true);
    });
  });

  it('works on when somebody else removed its file', () => {
    using mem = openMem();
    unlinkSync(join(home(), `mem-${mem.id}`));
    mem.writeByte(3);
    expect(mem.at(0)).to.equal(3);
    expect(thrown(() => openMem(mem.id)).code).to.equal('ENOENT');
  });
});
