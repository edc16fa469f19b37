import { join } from 'node:path';
import { expect } from 'chai';
import { outcome, sibling, startAlone } from '../support/processes.js';

const root = sibling(import.meta.url, '../../..');

/** What an example prints, started as a user would: not as a child with a channel. */
async function run(script: string): Promise<string[]> {
  const { code, stdout, stderr } = await outcome(startAlone(script));
  expect(stderr).to.equal('');
  expect(code).to.equal(0);
  return stdout.trimEnd().split('\n');
}

describe('examples', () => {
  const example = (name: string) => join(root, 'dist/examples', name);

  it('channel', async () => {
    expect(await run(example('channel.js'))).to.deep.equal([
      'order 1: 1 apples',
      'order 2: 2 apples',
      'order 3: 3 apples',
    ]);
  });

  it('ring-in-a-file', async () => {
    expect(await run(example('ring-in-a-file.js'))).to.deep.equal([
      'read before the restart: first',
      'read after it: second',
      'read after it: third',
    ]);
  });

  it('zero-copy', async () => {
    expect(await run(example('zero-copy.js'))).to.deep.equal(['the largest of 1000 is 31.607']);
  });

  it('shared-cache', async function () {
    this.timeout(60_000);
    const args = ['--seconds', '1', '--port', String(20_000 + (process.pid % 10_000))];
    const child = startAlone(example('shared-cache/main.js'), args);
    const { code, stdout, stderr } = await outcome(child);
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    for (const way of ['bus', 'process.send']) {
      expect(stdout, way).to.match(new RegExp(`${way}.*[1-9]\\d* .* of [1-9]\\d*`));
    }
  });

  it('ticks', async () => {
    const [published, ...lines] = await run(example('ticks/main.js'));
    expect(published).to.match(/^published 10000; /);
    expect(lines).to.have.length(3);
    const ends = new Set<string>();
    for (const line of lines) {
      const [, seen, missed, last] = /: (\d+) seen, (\d+) missed, last ([\d.]+)$/.exec(line)!;
      expect(Number(seen) + Number(missed), line).to.equal(10_000);
      ends.add(last!);
    }
    // The slow one, too, has the last price.
    expect(ends.size).to.equal(1);
    expect(lines.find(line => line.includes('slow'))).to.match(/, [1-9]\d* missed/);
  });

  it('http-server', async () => {
    expect(await run(example('http-server.js'))).to.deep.equal([
      'a connection over shared-memory',
      '200 POST: hello through shared memory',
    ]);
  });
});
