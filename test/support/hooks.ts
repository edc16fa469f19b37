import { readdirSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import { makeRegionHome } from '../../bench/region-home.js';
import { reap } from '../../src/index.js';
import { collect } from './garbage.js';
import { killAll } from './processes.js';
import { cannotRun } from './platform.js';

const onWindows = process.platform === 'win32';

/** Bytes of regions that a test has at one time, at most; Docker gives 64 MiB of /dev/shm. */
const mostMemory = 512 * 1024 * 1024;

// Every run has a region directory of its own, which its children inherit.
const directory = makeRegionHome('mmap-transport-test-', mostMemory);
process.env.MMAP_TRANSPORT_DIR = directory;

export const mochaHooks = {
  beforeEach(this: Mocha.Context): void {
    const reason = cannotRun(this.currentTest!.fullTitle());
    if (reason === undefined) return;
    console.log(`      skipped: ${reason}`);
    this.skip();
  },
  /** After each test nothing is left: no child, no file. */
  async afterEach(): Promise<void> {
    await killAll();
    if (onWindows) await collect();
    reap(directory); // what killed children left, which is allowed
    // On Windows a name stays until the last view of its file is collected, and a variable of a
    // suite may still hold one: scripts/wine.mjs checks when the process has ended.
    if (onWindows) return;
    expect(readdirSync(directory), 'left in the region directory').to.deep.equal([]);
  },
  afterAll(): void {
    if (!onWindows) rmSync(directory, { recursive: true });
  },
};
