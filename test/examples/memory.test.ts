import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { outcome, sibling, start } from '../support/processes.js';

const run = (name: string, ...args: string[]) =>
  outcome(
    start(sibling(import.meta.url, `../../examples/${name}/main.js`), args, { silent: true }),
  );

describe('Examples of mapped memory', () => {
  let home: string;
  before(() => (home = mkdtempSync(join(tmpdir(), 'examples-'))));
  after(() => rmSync(home, { recursive: true }));

  it('find-in-file says where a text lies, or that it does not', async () => {
    const path = join(home, 'text');
    writeFileSync(path, `${'x'.repeat(100_000)}needle${'y'.repeat(50)}needle`);
    const found = await run('find-in-file', path, 'needle');
    expect(found).to.include({ code: 0, stdout: '100000\n100056\n', stderr: '' });
    expect(await run('find-in-file', path, 'thread')).to.include({ code: 1, stdout: '' });
    const missing = await run('find-in-file', join(home, 'none'), 'needle');
    expect(missing.code).to.equal(2);
    expect(missing.stderr).to.match(/^find-in-file: ENOENT: .*\n$/);
  });

  it('shared-counter loses no count of four processes', async () => {
    const { code, stdout, stderr } = await run('shared-counter');
    expect(stderr).to.equal('');
    expect(stdout).to.equal('4 processes counted to 400000\n');
    expect(code).to.equal(0);
  });
});
