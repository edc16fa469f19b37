import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { scratch } from '../native/support.js';
import { sibling } from '../support/processes.js';

const root = sibling(import.meta.url, '../../../');
const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  name: string;
  exports: Record<string, string | { types: string }>;
};

describe('The published types', function () {
  this.timeout(120_000);
  const path = scratch();

  // scripts/check-package.mjs does the same with the package itself, and with an old TypeScript.
  it('are whole without what is internal, for a strict project', () => {
    const paths: Record<string, string[]> = {};
    for (const [entry, target] of Object.entries(exports)) {
      if (typeof target !== 'string') paths[name + entry.slice(1)] = [join(root, target.types)];
    }
    const compilerOptions = {
      ...{ noEmit: true, strict: true, exactOptionalPropertyTypes: true },
      ...{ target: 'es2022', module: 'esnext', moduleResolution: 'bundler' },
      ...{ types: ['node'], typeRoots: [join(root, 'node_modules/@types')], paths },
    };
    copyFileSync(join(root, 'test/package/consumer.ts'), path('consumer.ts'));
    writeFileSync(path('tsconfig.json'), JSON.stringify({ compilerOptions }));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const { stdout, status } = spawnSync(process.execPath, [compiler, '-p', path('')], {
      encoding: 'utf8',
    });
    expect(stdout).to.equal('');
    expect(status).to.equal(0);
  });
});
