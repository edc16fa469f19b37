import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { skip } from '../../native/support.js';
import { outcome, sibling, startAlone } from '../../support/processes.js';

const script = sibling(import.meta.url, './threads-app.js');

describe('clusterBus in threads and behind wrappers', function () {
  this.timeout(60_000);

  let folder: string;
  let wrapper: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'wrapper-'));
    wrapper = join(folder, 'node.sh');
    writeFileSync(wrapper, `#!/bin/sh\n"${process.execPath}" "$@"\nexit $?\n`);
    chmodSync(wrapper, 0o755);
  });

  after(() => rmSync(folder, { recursive: true }));

  async function run(plan: string): Promise<unknown> {
    const { code, signal, stdout, stderr } = await outcome(startAlone(script, [plan, wrapper]));
    expect(stderr).to.equal('');
    expect([code, signal]).to.deep.equal([0, null]);
    return JSON.parse(stdout);
  }

  /** What each of these sees where all are on one bus. */
  function allSeeAll(ids: string[]): Record<string, string[]> {
    return Object.fromEntries(ids.map(id => [id, ids.filter(other => other !== id).sort()]));
  }

  it('makes every thread a peer of its own, of the same bus', async () => {
    expect(await run('threads')).to.deep.equal(allSeeAll(['0', '0/1', '0/2', '1', '1/1']));
  });

  it('finds the place of a thread whose main thread has not loaded it', async function () {
    if (process.platform !== 'linux') skip(this, 'only /proc tells');
    expect(await run('late')).to.deep.equal(allSeeAll(['0', '0/1', '1/1']));
  });

  it('finds the primary of a worker that a shell script has started', async function () {
    if (process.platform !== 'linux') skip(this, 'only /proc tells');
    expect(await run('wrapped')).to.deep.equal(allSeeAll(['0', '1', '2', '2/1']));
  });

  it('keeps the cluster that a worker starts apart from its own', async function () {
    if (process.platform !== 'linux') skip(this, 'only /proc tells');
    expect(await run('nested')).to.deep.equal({
      outer: allSeeAll(['0', '1']),
      inner: allSeeAll(['0', '1', '1/1']),
    });
  });

  it('says what to do where nothing tells what the process is', async () => {
    const place = new URL('../../../src/transport/cluster/place.js', import.meta.url).href;
    const program = `
      const { parentPort, setEnvironmentData } = require('node:worker_threads');
      setEnvironmentData('mmap-transport/cluster', undefined);
      Object.defineProperty(process, 'platform', { value: 'darwin' });
      import(${JSON.stringify(place)}).then(({ findPlace }) => {
        try {
          findPlace();
        } catch ({ code, message }) {
          parentPort.postMessage([code, message]);
        }
      });
    `;
    const [[code, text]] = (await once(new Worker(program, { eval: true }), 'message')) as [
      [string, string],
    ];
    expect(code).to.equal('ERR_UNSUPPORTED');
    expect(text).to.match(/import mmap-transport\/cluster there before the thread is made/);
  });
});
