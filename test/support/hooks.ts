import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { reap } from '../../src/index.js';
import { killAll } from './processes.js';

const shared = process.platform === 'linux' ? '/dev/shm' : tmpdir();

// Every run has a region directory of its own, which its children inherit.
const directory = mkdtempSync(join(shared, 'mmap-transport-test-'));
process.env.MMAP_TRANSPORT_DIR = directory;

export const mochaHooks = {
  /** After each test nothing is left: no child, no file. */
  async afterEach(): Promise<void> {
    await killAll();
    reap(directory); // what killed children left, which is theirs by right
    expect(readdirSync(directory), 'left in the region directory').to.deep.equal([]);
  },
  afterAll(): void {
    rmSync(directory, { recursive: true });
  },
};
