import { expect } from 'chai';
import { autoEntry } from '../../support/auto-entry.js';
import { outcome, sibling, startNode } from '../../support/processes.js';

const script = sibling(import.meta.url, './packages-app.js');
const entry = autoEntry();

/** Packages that call `process.send`, each in a cluster of three workers. */
const packages = ['prom-client', 'rate-limiter-flexible', 'log4js', '@socket.io/cluster-adapter'];

describe('packages that use process.send, with mmap-transport/auto', function () {
  this.timeout(120_000);

  async function run(options: string[], name: string) {
    const env = { ...process.env, NODE_DEBUG: 'mmap-transport', MMAP_TRANSPORT_AUTO: '2' };
    const child = startNode([...options, script, name], { env });
    const { code, stdout, stderr } = await outcome(child);
    expect(code, stderr).to.equal(0);
    return { result: JSON.parse(stdout) as unknown, isShared: /messages go through/.test(stderr) };
  }

  for (const name of packages) {
    it(`${name} gives the same`, async () => {
      const [plain, auto] = await Promise.all([run([], name), run(['--import', entry], name)]);
      expect(auto.result).to.deep.equal(plain.result);
      expect([plain.isShared, auto.isShared]).to.deep.equal([false, true]);
    });
  }
});
