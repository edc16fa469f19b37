import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { truncateSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { openFile } from '../../src/index.js';
import { message, sibling, start } from '../support/processes.js';
import { thrown } from '../support/errors.js';
import { scratch, skip } from './support.js';
import type { Touched } from './truncated-peer.js';

const peer = sibling(import.meta.url, './truncated-peer.js');
const source = sibling(import.meta.url, '../../src/index.js');
const size = 8 * 4096;

describe('A file cut short while it is mapped', function () {
  const path = scratch();
  let count = 0;

  /** Has a process map a file, truncates it from here, and has the process touch it. */
  async function cut(way: string, access: 'read' | 'read-write', length = 0): Promise<Touched> {
    const file = path(`file-${count++}`);
    writeFileSync(file, Buffer.alloc(size, 1));
    const child = start(peer, [file, way, access]);
    const exited = once(child, 'exit');
    await message(child);
    execFileSync('truncate', ['-s', String(length), file]);
    const answer = message<Touched>(child);
    child.send('go on');
    const touched = await answer;
    expect(await exited, 'the process ends in good order').to.deep.equal([0, null]);
    return touched;
  }

  const everLater = Array<string>(5).fill('ERR_TRUNCATED');

  for (const [way, value] of [
    ['bytes read', '0'],
    ['bytes write', '5'],
    ['buffer read', '0'],
    ['buffer write', '5'],
    ['Atomics read', '0'],
    ['Atomics write', '0'],
    ['copy out', '-1'],
    ['copy in', undefined],
    ['our read', ''],
    ['our write', ''],
    ['our at', ''],
    ['our sync', ''],
  ] as const) {
    it(`${way}: the process lives, and the next call throws ERR_TRUNCATED`, async () => {
      const touched = await cut(way, 'read-write');
      if (value !== undefined) expect(touched.value).to.equal(value);
      expect(touched.code).to.equal('ERR_TRUNCATED');
      expect(touched.message).to.contain(`at least ${size} bytes, got 0`);
      expect(touched.later).to.deep.equal(everLater);
    });
  }

  for (const way of ['bytes read', 'Atomics read', 'our read']) {
    it(`${way}, of a read-only mapping`, async () => {
      const touched = await cut(way, 'read', 4096);
      expect(touched.code).to.equal('ERR_TRUNCATED');
      expect(touched.message).to.contain('got 4096');
      expect(touched.later).to.deep.equal(everLater);
    });
  }

  it('what is left of the file is read as it was', async () => {
    const touched = await cut('bytes read', 'read', 5 * 4096);
    expect(touched).to.include({ value: '1', code: '' });
  });

  it('a thread that took the memory up sees zeros; both sides throw', async () => {
    const touched = await cut('thread', 'read');
    expect(touched.value).to.equal('0');
    expect(touched.code).to.equal('ERR_TRUNCATED');
    expect(touched.message).to.equal('ERR_TRUNCATED');
  });

  // With a mapping for each lost page the process would have too many of them: 65,530 on Linux.
  for (const order of ['every second, upwards', 'every second, downwards', 'random']) {
    for (const threads of [0, 4]) {
      it(`4 GiB, touched ${order}, by ${threads === 0 ? 'one thread' : `${threads} threads`}`, async function () {
        if (process.platform !== 'linux') skip(this, 'there is no /proc/self/maps');
        const file = path('sparse');
        writeFileSync(file, '');
        truncateSync(file, 2 ** 32);
        const child = start(peer, [file, order, 'read', String(threads)]);
        const exited = once(child, 'exit');
        await message(child);
        truncateSync(file, 0);
        const answer = message<{ seen: number[]; added: number; code: string }>(child);
        child.send('go on');
        const { seen, added, code } = await answer;
        expect(await exited).to.deep.equal([0, null]);
        expect(seen.every(sum => sum === 0)).to.equal(true);
        expect(code).to.equal('ERR_TRUNCATED');
        expect(added, 'mappings that were added').to.be.lessThan(100);
      });
    }
  }

  it('a system call that is given the view fails by itself', async () => {
    const touched = await cut('a system call', 'read-write');
    expect(touched.code).to.equal('EFAULT');
  });

  it('sync tells of a file cut within its last page, where nothing faults', () => {
    const file = path('tail');
    writeFileSync(file, Buffer.alloc(5000, 1));
    using mapped = openFile(file, { access: 'read-write' });
    truncateSync(file, 4999);
    expect(thrown(() => mapped.sync()).code).to.equal('ERR_TRUNCATED');
    expect(thrown(() => mapped.at(0)).code).to.equal('ERR_TRUNCATED');
  });

  describe('leaves every other SIGBUS alone', () => {
    const run = (script: string) =>
      spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    const open = `
      import { openFile } from ${JSON.stringify(source)};
      const file = openFile(process.execPath);
      file.at(0);`;

    it('one that was sent ends the process as it always does', () => {
      const { signal, stderr } = run(`${open} process.kill(process.pid, 'SIGBUS');
        setTimeout(() => {}, 10000);`);
      expect(stderr).to.equal('');
      expect(signal).to.equal('SIGBUS');
    });

    it("one that was sent reaches Node's own handler, installed before", () => {
      const { stdout, signal, status } = run(`
        process.once('SIGBUS', () => { console.log('caught'); process.exit(3); });
        const { openFile } = await import(${JSON.stringify(source)});
        openFile(${JSON.stringify(source)}).at(0); // small: see docs/platforms.md on exiting
        process.kill(process.pid, 'SIGBUS');
        setTimeout(() => {}, 10000);`);
      expect(signal).to.equal(null);
      expect(stdout).to.equal('caught\n');
      expect(status).to.equal(3);
    });

    it('a fault in memory that is not ours ends the process', function () {
      const compiler = spawnSync('c++', ['--version']);
      if (compiler.status !== 0) skip(this, 'no C++ compiler to make a foreign mapping with');
      const library = path('foreign.so');
      // Loaded as an addon: its constructor maps an empty file and touches it.
      const code = `
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        __attribute__((constructor)) static void touch() {
          int fd = open(getenv("FOREIGN"), O_RDONLY);
          volatile char* page = (volatile char*)mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
          (void)page[0];
        }`;
      execFileSync('c++', ['-shared', '-fPIC', '-x', 'c++', '-o', library, '-'], { input: code });
      writeFileSync(path('none'), '');
      process.env.FOREIGN = path('none');
      const { signal, stdout } = run(`${open}
        process.dlopen({ exports: {} }, ${JSON.stringify(library)}); console.log('survived');`);
      delete process.env.FOREIGN;
      expect(stdout).to.equal('');
      expect(signal).to.equal('SIGBUS');
    });
  });
});
