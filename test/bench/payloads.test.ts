import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { PayloadResults } from '../../bench/payloads/report.js';
import { ways } from '../../bench/payloads/ways.js';
import { outcome, sibling, start } from '../support/processes.js';

describe('npm run bench:payloads', function () {
  this.timeout(60_000);

  let home: string;
  before(() => (home = mkdtempSync(join(tmpdir(), 'bench-payloads-'))));
  after(() => rmSync(home, { recursive: true }));

  it('measures every way in every direction, and writes the results', async () => {
    const json = join(home, 'results.json');
    const args = ['--sizes', '65536', '--trials', '1', '--milliseconds', '30', '--json', json];
    const script = sibling(import.meta.url, '../../bench/payloads.js');
    const { code, stdout, stderr } = await outcome(start(script, args, { silent: true }));
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    const { measurements } = JSON.parse(readFileSync(json, 'utf8')) as PayloadResults;
    expect(measurements.map(({ direction }) => direction)).to.deep.equal(['in', 'out', 'both']);
    for (const { direction, outcomes } of measurements) {
      for (const { label } of ways[direction]) {
        expect(stdout).to.contain(label);
        for (const rate of outcomes[0]![label]!) expect(rate).to.be.above(0);
      }
    }
  });
});
