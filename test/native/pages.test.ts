import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { type Advice, type Mapped, openFile, openMem } from '../../src/index.js';
import { asNobody, readableByAll, whyNotNobody } from '../support/other-user.js';
import { sibling } from '../support/processes.js';
import { thrown } from '../support/errors.js';
import { scratch, skip } from './support.js';

const page = 4096;
const onLinux = process.platform === 'linux';
const module = sibling(import.meta.url, '../../src/index.js');

/** Bytes of memory this process has locked, and the pages of a file in its page table. */
const status = (field: string) =>
  Number(
    new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))![1],
  ) * 1024;

/**
 * The `field` lines of /proc/self/smaps for the mappings of a path. By its inode, too: a file that was
 * mapped before it had a name goes by none there.
 */
function smaps(path: string, field: string): string[] {
  const inode = existsSync(path) ? statSync(path).ino : -1;
  const entries = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return entries
    .filter(entry => {
      const [head] = entry.split('\n') as [string];
      return head.includes(path) || head.includes(` ${inode} `);
    })
    .map(entry => new RegExp(`^${field}:\\s+(.*)$`, 'm').exec(entry)![1]!.trim());
}

describe('Mapped: pages', function () {
  if (!onLinux) {
    it('is checked through /proc', function () {
      skip(this, 'there is no /proc to look into here');
    });
    return;
  }
  const path = scratch();
  let file: string;
  let mapped: Mapped;
  beforeEach(() => {
    file = path('pages');
    writeFileSync(file, Buffer.alloc(64 * page, 1));
    mapped = openFile(file, { access: 'read-write' });
  });
  afterEach(() => mapped.close());

  it('sync brings changes to the file, whole or in part, waiting or not', () => {
    const fresh = path('fresh');
    using writer = openFile(fresh, { access: 'read-write', create: true, size: 3 * page });
    writer.bytes.fill(2);
    const dirty = () => smaps(fresh, 'Private_Dirty').concat(smaps(fresh, 'Shared_Dirty'));
    expect(dirty().some(size => size !== '0 kB')).to.equal(true);
    writer.sync({ async: true });
    writer.sync({ offset: 5, length: page, invalidate: true });
    writer.sync();
    expect(readFileSync(fresh).every(byte => byte === 2)).to.equal(true);
    // On a memory file system nothing is ever written back; elsewhere nothing is left.
    expect(dirty().every(size => size === '0 kB') || isMemory(fresh)).to.equal(true);
  });

  it('advise takes every advice, and madvise gets it', () => {
    const advices: Advice[] = [
      'normal',
      'random',
      'sequential',
      'willneed',
      'dontneed',
      'hugepage',
      'nohugepage',
      'cold',
      'pageout',
    ];
    for (const advice of advices) {
      mapped.advise(advice);
      mapped.advise(advice, { offset: 5, length: 1 });
      expect(mapped.at(5), advice).to.equal(1);
    }
    expect(thrown(() => mapped.advise('fast' as never)).code).to.equal('ERR_INVALID_ARG');
    expect(thrown(() => mapped.advise('valueOf' as never)).code).to.equal('ERR_INVALID_ARG');
    mapped.advise('sequential');
    expect(smaps(file, 'VmFlags')[0]).to.match(/\bsr\b/);
    mapped.advise('random');
    expect(smaps(file, 'VmFlags')[0]).to.match(/\brr\b/);
    mapped.advise('normal');
    expect(smaps(file, 'VmFlags')[0]).to.not.match(/\b[rs]r\b/);
    void mapped.bytes.every(byte => byte === 1);
    expect(smaps(file, 'Rss')[0]).to.not.equal('0 kB');
    mapped.advise('dontneed');
    expect(smaps(file, 'Rss')[0]).to.equal('0 kB');
  });

  it('dontneed drops the changes of a copy-on-write mapping', () => {
    using copy = openFile(file, { access: 'copy-on-write' });
    copy.bytes.fill(9);
    copy.advise('dontneed', { offset: page, length: page });
    expect([copy.at(0), copy.at(page), copy.at(2 * page)]).to.deep.equal([9, 1, 9]);
  });

  it('lock and unlock hold pages in memory, the whole or a part', () => {
    const before = status('VmLck');
    mapped.lock({ offset: 10 * page + 7, length: page });
    expect(status('VmLck') - before, 'both pages that the range touches').to.equal(2 * page);
    mapped.lock();
    expect(status('VmLck') - before).to.equal(64 * page);
    mapped.unlock({ length: 4 * page });
    expect(status('VmLck') - before).to.equal(60 * page);
    mapped.unlock();
    expect(status('VmLck') - before).to.equal(0);
    using locked = openFile(file, { lock: true });
    expect(status('VmLck') - before).to.equal(64 * page);
    locked.close();
    expect(status('VmLck') - before, 'gone with the mapping').to.equal(0);
  });

  it('lock beyond the limit is an error with its name', function () {
    // Root may lock without a limit, so the child runs as another user.
    const isRoot = process.getuid?.() === 0;
    const reason = isRoot && whyNotNobody();
    if (reason) skip(this, reason);
    const readable = isRoot ? readableByAll(module) : module;
    // What it opens is a file that everybody may read.
    const script = `import { openFile } from ${JSON.stringify(readable)};
      const file = openFile(process.execPath);
      try { file.lock(); } catch (error) { console.log(error.code, error.address); }
      try { openFile(process.execPath, { lock: true }); } catch (error) { console.log(error.code); }`;
    const node = [process.execPath, '--input-type=module', '-e', script];
    const child = spawnSync('prlimit', ['--memlock=65536', ...(isRoot ? asNobody : []), ...node], {
      encoding: 'utf8',
      cwd: '/',
    });
    if (child.error) skip(this, `prlimit does not start: ${child.error.message}`);
    expect(child.stderr).to.equal('');
    expect(child.stdout).to.match(/^(ENOMEM|EPERM) \/.*\n(ENOMEM|EPERM)\n$/);
  });

  it('protect takes writing away and gives it back; our calls throw EACCES', () => {
    mapped.protect('read', { offset: 2 * page, length: page });
    expect(mapped.at(2 * page)).to.equal(1);
    expect(thrown(() => mapped.writeAt(Buffer.from([5]), 2 * page + 1)).code).to.equal('EACCES');
    expect(thrown(() => mapped.writeAt(Buffer.alloc(2 * page), page)).code).to.equal('EACCES');
    mapped.writeAt(Buffer.from([5]), page);
    mapped.protect('none', { offset: 4 * page, length: 1 });
    expect(thrown(() => mapped.at(4 * page)).code).to.equal('EACCES');
    expect(thrown(() => mapped.readAt(Buffer.alloc(2 * page), 3 * page)).code).to.equal('EACCES');
    expect(mapped.readAt(Buffer.alloc(page), 3 * page)).to.equal(page);
    using attached = openMem(mapped.buffer);
    expect(thrown(() => attached.at(4 * page)).code, 'the other handle knows').to.equal('EACCES');
    mapped.protect('read-write');
    mapped.writeAt(Buffer.from([6]), 4 * page);
    expect([attached.at(page), attached.at(4 * page)]).to.deep.equal([5, 6]);
    expect(thrown(() => mapped.protect('write' as never)).code).to.equal('ERR_INVALID_ARG');
  });

  it('protect is done by the processor: a store through a view ends the process', () => {
    for (const [access, expected] of [
      ['read', 'SIGSEGV'],
      ['read-write', null],
    ] as const) {
      const script = `import { openFile } from ${JSON.stringify(module)};
        const file = openFile(${JSON.stringify(file)}, { access: 'read-write' });
        file.protect(${JSON.stringify(access)});
        file.bytes[5] = 6;`;
      const child = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
      expect(child.signal, access).to.equal(expected);
    }
  });

  it('resident tells which pages are in memory, page by page', () => {
    expect([...mapped.resident()]).to.deep.equal(Array(64).fill(1));
    expect(mapped.resident({ offset: page - 1, length: 2 })).to.have.length(2);
    expect(mapped.resident({ offset: 5, length: 0 })).to.have.length(0);
    using mem = openMem({ bytes: 8 * page });
    // A hole in a file has no page until it is touched.
    const sparse = path('sparse');
    spawnSync('truncate', ['-s', String(8 * page), sparse]);
    using hole = openFile(sparse, { access: 'read-write' });
    hole.advise('random'); // else the system reads neighbours too
    hole.writeAt(Buffer.from([1]), 3 * page);
    expect([...hole.resident()]).to.deep.equal([0, 0, 0, 1, 0, 0, 0, 0]);
    expect(mem.resident()).to.have.length(8);
  });

  it('prefault enters the pages into the page table at once', () => {
    const rss = (options: object) => {
      using opened = openFile(file, { ...options, access: 'read', offset: 0 });
      expect(opened.length).to.equal(64 * page);
      return Number.parseInt(smaps(file, 'Rss').at(-1)!);
    };
    mapped.close();
    expect(rss({})).to.equal(0);
    expect(rss({ prefault: true })).to.equal((64 * page) / 1024);
  });

  it('hugePages is asked for where the kernel has them', () => {
    using huge = openFile(file, { hugePages: true });
    expect(huge.at(0)).to.equal(1);
    const flags = smaps(file, 'VmFlags');
    const supported = spawnSync('test', ['-e', '/sys/kernel/mm/transparent_hugepage/enabled']);
    expect(flags.some(flag => /\bhg\b/.test(flag))).to.equal(supported.status === 0);
  });
});

function isMemory(path: string): boolean {
  return spawnSync('stat', ['-f', '-c', '%T', path], { encoding: 'utf8' }).stdout.startsWith(
    'tmpfs',
  );
}
