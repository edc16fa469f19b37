import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { sibling } from '../support/processes.js';

const root = sibling(import.meta.url, '../../..');

describe('docs/errors.md', () => {
  it('has what src/errors.ts says, and every code that a source throws', async () => {
    const script = pathToFileURL(join(root, 'scripts/errors-table.mjs')).href;
    const { faults } = (await import(script)) as { faults: () => Promise<string[]> };
    expect(await faults()).to.deep.equal([]);
  });

  it('is linked from the errors a newcomer meets first', () => {
    expect(readFileSync(join(root, 'README.md'), 'utf8')).to.include('](docs/errors.md)');
  });
});
