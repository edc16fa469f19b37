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
  /** Measured at once: here the figures do not matter, and each of them takes seconds. */
  const runs = new Map<string, ReturnType<typeof run>>();
  const measure = (name: string, ...args: string[]) => {
    const common = ['--trials', '1', '--milliseconds', '20', '--json', join(home, name)];
    const ended = run(...args, ...common);
    ended.catch(() => {}); // its own test tells
    runs.set(name, ended);
  };

  before(() => {
    home = mkdtempSync(join(tmpdir(), 'bench-test-'));
    measure('results.json', '--only', 'throughput', '--sizes', '64', '--quick');
    measure('trips.json', '--only', 'round-trip', '--transports', 'ring,post-message');
    measure('bus.json', '--only', 'bus', '--sizes', '64');
  });
  after(() => rmSync(home, { recursive: true }));

  /** Waits for a run, which must have ended well. */
  async function outcomeOf(name: string): Promise<Results & { stdout: string }> {
    const { code, stdout, stderr } = await runs.get(name)!;
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    return { ...(JSON.parse(readFileSync(join(home, name), 'utf8')) as Results), stdout };
  }

  it('measures every transport between processes and writes the results', async () => {
    const { stdout, ...results } = await outcomeOf('results.json');
    expect(stdout).to.contain('process.send, advanced');
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
    const { measurements } = await outcomeOf('trips.json');
    expect(measurements.map(({ place }) => place).sort()).to.deep.equal(['process', 'thread']);
    for (const { outcomes } of measurements) {
      const { p50, p99 } = outcomes[0]!;
      expect(p50).to.be.above(0);
      expect(p99).to.be.at.least(p50!);
    }
  });

  it('measures the bus of a cluster beside process.send, every way of both', async () => {
    const { measurements, stdout } = await outcomeOf('bus.json');
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
