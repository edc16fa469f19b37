import { join } from 'node:path';
import { expect } from 'chai';
import { outcome, sibling, startNode } from '../support/processes.js';
import { installRunners, whyNot } from './install.js';

const script = sibling(import.meta.url, './fake-timers-child.js');

async function run(way: string, folder = ''): Promise<void> {
  const args = ['--no-warnings', script, way, join(folder, 'package.json')];
  const { code, stdout, stderr } = await outcome(startNode(args));
  expect(stderr).to.equal('');
  expect([stdout, code]).to.deep.equal(['all came\n', 0]);
}

describe('while timers and clocks are fake', function () {
  this.timeout(300_000);

  it('messages, requests and answers arrive, with node:test', () => run('node'));

  it('messages, requests and answers arrive, with sinon', async function () {
    const folder = await installRunners();
    if (folder === undefined) {
      console.log(`      skipped: ${whyNot()}`);
      return this.skip();
    }
    return run('sinon', folder);
  });
});
