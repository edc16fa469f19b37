import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { autoEntry } from '../../support/auto-entry.js';
import { outcome, sibling, startNode } from '../../support/processes.js';

const entry = autoEntry();
const script = sibling(import.meta.url, './crowd.js');

describe('regions of mmap-transport/auto', function () {
  this.timeout(120_000);
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'mmap-transport-auto-'))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  async function crowd(together: number, count: number, kill: 'kill' | 'no') {
    const env = { ...process.env, MMAP_TRANSPORT_DIR: directory, MMAP_TRANSPORT_AUTO: '1' };
    const args = ['--import', entry, script, String(together), String(count), kill];
    const { code, stdout, stderr } = await outcome(startNode(args, { env }));
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(JSON.parse(stdout)).to.deep.equal({ left: [], isShared: true });
  }

  it('go with children that disconnect, one after the other and at once', async () => {
    await crowd(1, 5, 'no');
    await crowd(10, 20, 'no');
    expect(readdirSync(directory)).to.deep.equal([]);
  });

  it('go with children that are killed at any moment of the handshake', async () => {
    await crowd(10, 40, 'kill');
    // Doorbells of killed children go when the next process looks: see `reap`.
    expect(readdirSync(directory).filter(name => !name.startsWith('bell-'))).to.deep.equal([]);
  });
});
