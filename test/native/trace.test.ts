import { spawnSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { openFile, openMem, reap } from '../../src/index.js';
import { thrown } from '../support/errors.js';
import { scratch } from './support.js';

const module = new URL('../../src/index.js', import.meta.url).href;

describe('Traces', () => {
  const path = scratch();

  it('tell diagnostics_channel of open, close, truncation and reaping', () => {
    const seen: unknown[] = [];
    const names = ['open', 'close', 'truncated', 'reap'].map(name => `mmap-transport:${name}`);
    const listen = (message: unknown, name: string | symbol) =>
      void seen.push([String(name).slice('mmap-transport:'.length), message]);
    for (const name of names) subscribe(name, listen);
    const file = path('traced');
    const leftover = `mem-${'d'.repeat(24)}`;
    let id: string;
    try {
      writeFileSync(file, Buffer.alloc(8192, 1));
      const mapped = openFile(file);
      truncateSync(file, 0);
      thrown(() => mapped.at(5000));
      thrown(() => mapped.at(5000));
      mapped.close();
      mapped.close();
      const mem = openMem({ bytes: 100 });
      id = mem.id;
      mem.close();
      closeSync(openSync(join(process.env.MMAP_TRANSPORT_DIR!, leftover), 'w', 0o600));
      reap();
    } finally {
      for (const name of names) unsubscribe(name, listen);
    }
    expect(seen).to.deep.equal([
      ['open', { operation: 'openFile', address: file, length: 8192 }],
      ['truncated', { operation: 'file.at', address: file, length: 8192 }],
      ['close', { operation: 'file.close', address: file, length: 8192 }],
      ['open', { operation: 'openMem', address: id, length: 100 }],
      ['close', { operation: 'mem.close', address: id, length: 100 }],
      ['reap', { directory: process.env.MMAP_TRANSPORT_DIR, name: leftover }],
    ]);
  });

  it('are printed where NODE_DEBUG asks for them, and only there', () => {
    const script = `import { openFile } from ${JSON.stringify(module)};
      openFile(process.execPath).close();`;
    const run = (debug: string) =>
      spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
        env: { ...process.env, NODE_DEBUG: debug },
      }).stderr;
    expect(run('mmap-transport')).to.match(/MMAP-TRANSPORT \d+: open .*openFile.*\n.*close/);
    expect(run('')).to.equal('');
  });
});
