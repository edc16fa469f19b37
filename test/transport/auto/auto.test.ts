import { expect } from 'chai';
import { autoEntry } from '../../support/auto-entry.js';
import { outcome, sibling, startNode } from '../../support/processes.js';
import { scenarios } from './scenarios.js';

const script = sibling(import.meta.url, './scenario.js');
const entry = autoEntry();
const preload = ['--import', entry];

/** What a program saw. */
async function run(options: string[], name: string) {
  const { code, signal, stdout, stderr } = await outcome(startNode([...options, script, name]));
  expect([code, signal], `${stdout} ${stderr}`).to.deep.equal([0, null]);
  return { seen: JSON.parse(stdout) as unknown[], stderr };
}

describe('mmap-transport/auto beside plain process.send', function () {
  this.timeout(120_000);

  for (const name of Object.keys(scenarios)) {
    it(`shows the same: ${name}`, async () => {
      const [plain, auto] = await Promise.all([run([], name), run(preload, name)]);
      expect(auto.seen).to.deep.equal(plain.seen);
      // Where a child sends a lot and ends, nothing of it is lost.
      const [, got] = /^got (\d+)/.exec(auto.stderr) ?? [];
      const least = name === 'the child is killed' ? 1 : 5000;
      if (got) expect(Number(got)).to.be.within(least, 5000);
    });
  }
});
