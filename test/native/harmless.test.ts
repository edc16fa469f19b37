import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { openFile, reap, Ring } from '../../src/index.js';
import { Region } from '../../src/native/region.js';
import { unusedState } from '../../src/native/reap.js';
import { thrown } from '../support/errors.js';
import { sibling } from '../support/processes.js';
import { collect, scratch, skip } from './support.js';

const module = sibling(import.meta.url, '../../src/index.js');

describe('What is not ours is left as it is', () => {
  const path = scratch();

  /** Resolves when a process has come to a call that waits in the kernel. */
  async function isWaiting(pid: number): Promise<void> {
    while (!/^\d+ \(sh\) S/.test(execFileSync('cat', [`/proc/${pid}/stat`]).toString())) {
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  for (const [name, open] of [
    ['openFile', (fifo: string) => openFile(fifo)],
    ['openFile to write', (fifo: string) => openFile(fifo, { access: 'read-write' })],
    ['Ring.open', (fifo: string) => Ring.open(fifo)],
  ] as const) {
    it(`programs that wait at a FIFO go on waiting: ${name}`, async function () {
      if (process.platform !== 'linux') skip(this, 'only Linux has /proc');
      const fifo = path(`fifo ${name}`);
      execFileSync('mkfifo', ['-m', '600', fifo]);
      const writer = spawn('sh', ['-c', 'echo hello > "$1"; echo "wrote $?"', 'sh', fifo]);
      const output: Buffer[] = [];
      writer.stdout.on('data', (chunk: Buffer) => output.push(chunk));
      const closed = once(writer, 'close');
      await isWaiting(writer.pid!);
      expect(thrown(() => open(fifo)).code).to.be.oneOf(['EINVAL', 'ERR_UNSAFE_FILE']);
      expect(execFileSync('timeout', ['10', 'cat', fifo]).toString()).to.equal('hello\n');
      expect(await closed).to.deep.equal([0, null]);
      expect(Buffer.concat(output).toString()).to.equal('wrote 0\n');
    });
  }

  it('a mode of more bits than there are is an error, and not the end of the process', () => {
    for (const mode of [0o200000, 2 ** 31, 2 ** 32, 2 ** 53 - 1]) {
      const script = `
        import { openFile } from ${JSON.stringify(module)};
        try {
          openFile(${JSON.stringify(path('mode'))}, { access: 'read-write', create: true, mode: ${mode} });
        } catch (error) {
          console.log(error.code);
        }`;
      const { stdout, status } = spawnSync(
        process.execPath,
        ['--input-type=module', '-e', script],
        {
          encoding: 'utf8',
        },
      );
      expect({ stdout, status }).to.deep.equal({ stdout: 'ERR_OUT_OF_RANGE\n', status: 0 });
    }
    const { mode } = statSync(import.meta.filename);
    openFile(path('as that'), { access: 'read-write', create: true, mode }).close();
    expect(statSync(path('as that')).mode & 0o400).to.equal(0o400);
  });

  it('a ring that is kept stays, whatever its name, also in the region directory', () => {
    const directory = path('region');
    mkdirSync(directory, { mode: 0o700 });
    const file = join(directory, `ring-${'ab'.repeat(12)}`);
    const ring = Ring.create({ capacity: 4096, path: file });
    ring.producer().tryWrite(Buffer.from('important'));
    ring.close();
    const dead = join(directory, `ring-${'cd'.repeat(12)}`);
    writeFileSync(dead, Buffer.alloc(8192), { mode: 0o600 });
    expect([file, dead].map(unusedState)).to.deep.equal(['not in use', 'left over']);
    expect(reap(directory)).to.deep.equal([`ring-${'cd'.repeat(12)}`]);
    Ring.create({ capacity: 4096, directory }).close();
    // Also if its thread ends before it has looked into the header.
    Region.open(file).close();
    const again = Ring.open(file);
    expect(Buffer.from(again.consumer().tryRead()!).toString()).to.equal('important');
    again.close();
    expect(readdirSync(directory)).to.deep.equal([`ring-${'ab'.repeat(12)}`]);
  });

  it('a disk is not filled up by a new file that does not fit', function () {
    if (process.platform !== 'linux') skip(this, 'only Linux has fallocate');
    const { bfree, bsize } = statfsSync(path(''));
    const free = bfree * bsize;
    const size = 2 ** Math.ceil(Math.log2(2 * free + 2 ** 20));
    const options = { access: 'read-write', create: true, size, length: 4096 } as const;
    const error = thrown(() => openFile(path('too long'), options));
    if (error.code === 'EFBIG') skip(this, 'the file system has no files of that length');
    expect(error.code).to.equal('ENOSPC');
    // What was free before anything was allocated; others use the disk, too.
    const told = Number(/(\d+) are free/.exec(error.message)![1]);
    const { bavail } = statfsSync(path(''));
    expect(told).to.be.above((bavail * bsize) / 2);
    expect(existsSync(path('too long'))).to.equal(false);
  });

  /** A region whose name cannot be removed when it is closed; nothing refers to it any more. */
  function closeIn(directory: string): string {
    const region = Region.create({ bytes: 4096, directory });
    const view = region.bytes;
    chmodSync(directory, 0o500);
    region.close();
    chmodSync(directory, 0o700);
    expect(existsSync(region.path)).to.equal(true);
    expect(thrown(() => Region.open(region.path)).code).to.equal('ENOENT');
    expect(view[0]).to.equal(0);
    return region.path;
  }

  it('a name that cannot be removed at once is not one that others begin to use', async function () {
    if (process.platform === 'win32') skip(this, 'a directory there cannot be closed by its mode');
    const directory = path('closed');
    mkdirSync(directory, { mode: 0o700 });
    const isRoot = process.geteuid!() === 0;
    if (isRoot) {
      chmodSync(path(''), 0o755);
      chownSync(directory, 65534, 65534);
      process.seteuid!(65534);
    }
    const name = closeIn(directory);
    if (isRoot) process.seteuid!(0);
    await collect();
    expect(existsSync(name)).to.equal(false);
  });
});
