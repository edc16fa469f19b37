import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { expect } from 'chai';
import { Outgoing } from '../../bench/messages.js';
import type { Results } from '../../bench/results.js';
import { buses } from '../../bench/transports/bus.js';
import { relays } from '../../bench/transports/relay.js';
import { outcome, sibling, start } from '../support/processes.js';

const script = sibling(import.meta.url, '../../bench/run.js');
const run = (...args: string[]) => outcome(start(script, args, { silent: true }));

describe('npm run bench', function () {
  this.timeout(120_000); // other tests may hold the cores that polling wants

  let home: string;
  before(() => (home = mkdtempSync(join(tmpdir(), 'bench-test-'))));
  after(() => rmSync(home, { recursive: true }));

  it('measures every transport between processes and writes the results', async () => {
    const json = join(home, 'results.json');
    const only = ['--only', 'throughput', '--sizes', '64', '--quick', '--trials', '1'];
    const { code, stdout, stderr } = await run(...only, '--milliseconds', '20', '--json', json);
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    expect(stdout).to.contain('process.send, advanced');

    const results = JSON.parse(readFileSync(json, 'utf8')) as Results;
    expect(results.environment.node).to.equal(process.versions.node);
    const names = results.measurements.map(({ transport }) => transport);
    expect(names).to.include.members(['ring', 'ring-corked', 'unix-socket']);
    for (const { transport, outcomes } of results.measurements) {
      expect(outcomes, transport).to.have.length(1);
      const { messages, batch, messagesPerSecond } = outcomes[0]!;
      expect(messagesPerSecond, transport).to.be.above(0).and.below(1e10);
      expect(messages, transport).to.be.at.least(batch);
    }
  });

  it('measures round trips between threads and between processes', async () => {
    const json = join(home, 'trips.json');
    const only = ['--only', 'round-trip', '--transports', 'ring,post-message', '--trials', '1'];
    const { code, stderr } = await run(...only, '--milliseconds', '20', '--json', json);
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    const { measurements } = JSON.parse(readFileSync(json, 'utf8')) as Results;
    expect(measurements.map(({ place }) => place).sort()).to.deep.equal(['process', 'thread']);
    for (const { outcomes } of measurements) {
      const { p50, p99 } = outcomes[0]!;
      expect(p50).to.be.above(0);
      expect(p99).to.be.at.least(p50!);
    }
  });

  it('measures the bus of a cluster beside process.send, every way of both', async () => {
    const json = join(home, 'bus.json');
    const only = ['--only', 'bus', '--sizes', '64', '--trials', '1', '--milliseconds', '20'];
    const { code, stdout, stderr } = await run(...only, '--json', json);
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    const { measurements } = JSON.parse(readFileSync(json, 'utf8')) as Results;
    const found = measurements.map(({ transport, kind }) => `${transport} ${kind}`);
    const ways = [...buses, ...relays].map(({ name }) => name);
    const wanted = ways.filter(name => name !== 'bus-request').map(name => `${name} throughput`);
    for (const name of ['bus-across', 'bus-request', 'relay-across']) {
      wanted.push(`${name} round-trip`);
    }
    expect(found).to.have.members(wanted);
    for (const { label, outcomes } of measurements) {
      expect(stdout).to.contain(label);
      const { messagesPerSecond, p50 } = outcomes[0]!;
      expect(messagesPerSecond ?? p50, label).to.be.above(0);
    }
  });

  it('makes its messages for the bus as long as they are said to be', () => {
    for (const content of ['fields', 'list'] as const) {
      for (const size of [64, 1024, 65536]) {
        const { length } = serialize(new Outgoing(size, content).nextNews(false));
        expect(length / size, `${content}, ${size} B`).to.be.within(0.9, 1.1);
      }
    }
  });

  it('refuses what it does not know, in one line before the usage', async () => {
    const { code, stderr } = await run('--only', 'speed');
    expect(stderr.split('\n')[0]).to.match(/--only: expected one of throughput.*got speed/);
    expect(code).to.equal(2);
  });
});
