import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collect } from '../support/garbage.js';

export { collect };

/** A directory that is removed with the suite. */
export function scratch(): (name: string) => string {
  let home: string;
  before(() => (home = mkdtempSync(join(tmpdir(), 'mmap-transport-'))));
  after(async () => {
    await collect();
    try {
      rmSync(home, { recursive: true });
    } catch (error) {
      // A mapped file cannot be removed there, and the suite may still hold a view.
      if (process.platform !== 'win32') throw error;
    }
  });
  return name => join(home, name);
}

/** Skips a test that has more files open at once than a process may have here. */
export function needsDescriptors(test: Mocha.Context, count: number): void {
  if (process.platform === 'win32') return;
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' });
  // Where it says 'unlimited' this is NaN, and not below anything.
  if (Number(stdout) < count) skip(test, `a process may have ${stdout.trim()} files open here`);
}

/** Reports why a test cannot run here, and skips it. */
export function skip(test: Mocha.Context, reason: string): never {
  console.log(`      skipped: ${reason}`);
  test.skip();
}

/**
 * What this process has open and mapped, from the kernel. Windows has no /proc; there only the
 * memory is known, and the rest is 0.
 */
export function held(): { descriptors: number; mappings: number; residentBytes: number } {
  if (process.platform === 'win32') {
    return { descriptors: 0, mappings: 0, residentBytes: process.memoryUsage.rss() };
  }
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  const pages = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]);
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    mappings: maps.filter(line => !isPageOfHeap(line)).length,
    residentBytes: pages * 4096,
  };
}

/**
 * Whether a line of /proc/self/maps is a page of V8's heap, 256 KiB without a file, of which V8
 * keeps a hundred more or less as it likes.
 */
function isPageOfHeap(line: string): boolean {
  const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw-p [^ ]+ 00:00 0 *$/.exec(line) ?? [];
  return from !== undefined && parseInt(to!, 16) - parseInt(from, 16) === 256 << 10;
}

/** How many descriptors and mappings of this process are of a path. */
export function holdsOf(path: string): { descriptors: number; mappings: number } {
  const links = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the descriptor that read the directory
    }
  });
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return {
    descriptors: links.filter(link => link.startsWith(path)).length,
    mappings: maps.filter(line => line.includes(path)).length,
  };
}
