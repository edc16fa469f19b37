import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { hasEnded, outcome, sibling, start } from '../support/processes.js';

const main = sibling(import.meta.url, '../../examples/hash-file/main.js');
const run = (...args: string[]) => start(main, args, { silent: true });

/** Pids of a process's children, from the kernel. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
    .map(Number);
}

function mapsRing(pid: number): boolean {
  // Just forked, it still has its parent's program and mappings.
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker.js')) return false;
  return readFileSync(`/proc/${pid}/maps`, 'utf8').includes('/ring-');
}

describe('npm start', () => {
  let home: string;
  before(() => (home = mkdtempSync(join(tmpdir(), 'hash-file-'))));
  after(() => rmSync(home, { recursive: true }));

  it('prints equal digests of a real file, both ways', async () => {
    const { code, stdout, stderr } = await outcome(run());
    expect(stderr).to.equal('');
    expect(stdout).to.match(/digests equal: [0-9a-f]{64}/);
    expect(code).to.equal(0);
  });

  it('carries a file whose length is no multiple of a chunk, with SHA-256', async () => {
    const path = join(home, 'odd');
    writeFileSync(path, Buffer.alloc(5_000_001, 'odd'));
    const { code, stdout } = await outcome(run(path, '--hash', 'sha256'));
    expect(stdout).to.match(/digests equal/);
    expect(code).to.equal(0);
  });

  const empty = () => {
    const path = join(home, 'empty');
    writeFileSync(path, '');
    return path;
  };
  for (const [what, path, line] of [
    ['a missing file', () => '/no/such/file', /ENOENT/],
    ['a directory', () => home, /EISDIR/],
    ['an empty file', empty, /is empty/],
    ['a device', () => '/dev/null', /EINVAL/],
  ] as const) {
    it(`refuses ${what} in one line`, async () => {
      const { code, stdout, stderr } = await outcome(run(path()));
      expect(stderr.trimEnd().split('\n')).to.have.length(1);
      expect(stderr).to.match(line);
      expect(stdout).to.equal('');
      expect(code).to.equal(2);
    });
  }

  it('refuses an unreadable file', async function () {
    if (process.getuid?.() === 0) {
      console.log('      skipped: root reads every file');
      this.skip();
    }
    const path = join(home, 'secret');
    writeFileSync(path, 'x', { mode: 0 });
    const { code, stderr } = await outcome(run(path));
    expect(stderr).to.match(/EACCES/);
    expect(code).to.equal(2);
  });

  describe('when a process is killed', () => {
    let big: string;
    before(() => {
      big = join(home, 'big');
      writeFileSync(big, '');
      truncateSync(big, 2 ** 30); // sparse: long enough to be hit in the middle
    });

    /** Runs until the worker has the ring open, which is when the stream is under way. */
    async function underWay(): Promise<{
      primary: ChildProcess;
      worker: number;
      ended: Promise<{ stderr: string }>;
    }> {
      const primary = run(big);
      const ended = outcome(primary);
      for (;;) {
        const worker = childrenOf(primary.pid!)[0];
        if (worker !== undefined && mapsRing(worker)) return { primary, worker, ended };
        await delay(5);
      }
    }

    it('the primary learns of the worker within 2 seconds', async () => {
      const { worker, ended } = await underWay();
      process.kill(worker, 'SIGKILL');
      const killed = performance.now();
      const { stderr } = await ended;
      expect(performance.now() - killed).to.be.below(2000);
      expect(stderr).to.match(new RegExp(`process ${worker}\\) died`));
    });

    it('the worker learns of the primary within 2 seconds', async () => {
      const { primary, worker, ended } = await underWay();
      primary.kill('SIGKILL');
      const killed = performance.now();
      while (!hasEnded(worker)) {
        expect(performance.now() - killed).to.be.below(2000);
        await delay(5);
      }
      const { stderr } = await ended;
      expect(stderr).to.match(new RegExp(`process ${primary.pid}\\) died`));
    });
  });
});
