import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { expect } from 'chai';
import { outcome, startNode } from '../support/processes.js';
import { installRunners, whyNot } from './install.js';

/** As it lies in the repository: it is not compiled. */
const project = fileURLToPath(new URL('../../../test/realms/project', import.meta.url));

const jestConfig = { transform: {}, testMatch: ['**/realm.test.mjs'], testEnvironment: 'node' };
const vitestConfig = { test: { include: ['realm.test.mjs'], testTimeout: 60_000 } };

/** Arguments of Node. Jest gives each test file a realm of its own; of vitest, this pool does. */
const runners: [string, (modules: string) => string[]][] = [
  [
    'jest',
    modules => [
      '--experimental-vm-modules',
      join(modules, 'jest/bin/jest.js'),
      '--testTimeout=60000',
    ],
  ],
  ['vitest', modules => [join(modules, 'vitest/vitest.mjs'), 'run', '--pool=forks']],
  ['vitest', modules => [join(modules, 'vitest/vitest.mjs'), 'run', '--pool=vmThreads']],
];

describe('within test runners', function () {
  this.timeout(300_000);

  for (const [name, args] of runners) {
    it(`values arrive in a test of ${name} ${args('').slice(2).join(' ')}`, async function () {
      const folder = await installRunners();
      if (folder === undefined) {
        console.log(`      skipped: ${whyNot()}`);
        return this.skip();
      }
      const own = join(folder, 'project');
      mkdirSync(own, { recursive: true });
      cpSync(project, own, { recursive: true });
      writeFileSync(
        join(own, 'package.json'),
        JSON.stringify({ type: 'module', jest: jestConfig }),
      );
      const config = `export default ${JSON.stringify(vitestConfig)};`;
      writeFileSync(join(own, 'vitest.config.mjs'), config);
      const env = { ...process.env, REALM_RUNNER: name, CI: '1' };
      const child = startNode(args(join(folder, 'node_modules')), { cwd: own, env });
      const { code, stdout, stderr } = await outcome(child);
      const said = stripVTControlCharacters(stdout + stderr);
      expect(code, said).to.equal(0);
      expect(said).to.match(/Tests: +8 passed, 8 total|Tests +8 passed \(8\)/);
    });
  }
});
