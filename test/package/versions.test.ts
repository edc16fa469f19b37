import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import * as ours from '../../src/index.js';
import { scratch } from '../native/support.js';
import { socketPath } from '../support/platform.js';
import { sibling } from '../support/processes.js';

const root = sibling(import.meta.url, '../../..');

/** The code of what a call throws, which is no `ShmError` of this copy of the package. */
async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    return (error as ours.ShmError).code;
  }
  throw new Error('it worked');
}

/** docs/deploying.md says what this shows. */
describe('Two versions of the package side by side', () => {
  const path = scratch();
  let next: typeof ours;

  before(async () => {
    const home = path('next');
    // What finds the addon, and the addon.
    for (const name of ['package.json', 'build', 'dist/src']) {
      cpSync(join(root, name), join(home, name), { recursive: true, force: true });
    }
    cpSync(join(root, 'node_modules/node-gyp-build'), join(home, 'node_modules/node-gyp-build'), {
      recursive: true,
    });
    for (const [file, constant] of [
      ['ring/layout.js', 'layoutVersion'],
      ['link/handshake-messages.js', 'protocolVersion'],
    ]) {
      const at = join(home, 'dist/src/transport', file!);
      const text = readFileSync(at, 'utf8');
      const patched = text.replace(
        new RegExp(`const ${constant!} = \\d+`),
        `const ${constant!} = 250`,
      );
      expect(patched).to.not.equal(text);
      writeFileSync(at, patched);
    }
    const copy: unknown = await import(pathToFileURL(join(home, 'dist/src/index.js')).href);
    next = copy as typeof ours;
  });

  it('refuse each other’s rings and channels, which stay as they are', async () => {
    const ring = ours.Ring.create({ capacity: 4096 });
    const channel = ours.Channel.create();
    expect(await codeOf(() => next.Ring.open(ring.handle))).to.equal('ERR_VERSION');
    expect(await codeOf(() => next.Channel.open(channel.handle))).to.equal('ERR_VERSION');
    const other = ours.Channel.open(channel.handle);
    other.send('still there');
    expect(channel.receiveSync(1000)).to.equal('still there');
    await Promise.all([channel.close(), other.close()]);
    ring.close();
  });

  it('refuse each other’s connections', async () => {
    const address = socketPath(path('socket'));
    const listener = await ours.listen(address);
    expect(await codeOf(() => next.dial(address))).to.equal('ERR_VERSION');
    await listener.close();
  });

  it('do not meet on one bus, and do not disturb each other on two', async () => {
    const [a, b] = [await ours.Bus.join('v1', { id: 'a' }), await ours.Bus.join('v1', { id: 'b' })];
    expect(await codeOf(() => next.Bus.join('v1', { id: 'c' }))).to.equal('ERR_VERSION');
    b.onRequest(() => 'still there');
    expect(await a.request('b', '')).to.equal('still there');
    const others = [await next.Bus.join('v2', { id: 'a' }), await next.Bus.join('v2', { id: 'b' })];
    expect([...others[0]!.peers]).to.deep.equal(['b']);
    await Promise.all([a, b, ...others].map(bus => bus.close()));
  });
});
