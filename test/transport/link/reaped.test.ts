// What dialers have offered, and others who clear the region directory meanwhile.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, utimesSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { listenChannel, reap } from '../../../src/index.js';
import { reapExcept } from '../../../src/native/reap.js';
import { socketPath } from '../../support/platform.js';
import { message, sibling, start } from '../../support/processes.js';

const script = sibling(import.meta.url, './offered-peer.js');
const day = 24 * 60 * 60 * 1000;

describe('The reaping of memory that was offered', function () {
  this.timeout(30_000);
  const address = () => socketPath('offered.sock');
  /** One that accepts, and does not answer. */
  let server: Server | undefined;
  let path = '';
  beforeEach(() => (path = ''));

  async function offer(): Promise<ChildProcess> {
    if (!server) await listenSilently();
    const child = start(script, [address()]);
    ({ path } = await message<{ path: string }>(child));
    return child;
  }

  /** As a file looks when the clock has been set forward or back by so much. */
  function shiftClock(milliseconds: number): void {
    const time = new Date(Date.now() - milliseconds);
    utimesSync(path, time, time);
  }

  // Bells of those that were killed go as well.
  const links = (names: string[]) => names.filter(name => name.startsWith('link-'));
  const reapInPassing = () => links(reapExcept(dirname(path)));
  const reapAll = () => [...reapInPassing(), ...links(reap())];

  async function end(child: ChildProcess): Promise<void> {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async function listenSilently(): Promise<void> {
    server = createServer(socket => socket.on('error', () => {}).resume()).listen(address());
    await once(server, 'listening');
  }

  afterEach(async () => {
    if (!server) return;
    server.close();
    await once(server, 'close');
    server = undefined;
  });

  it('leaves that of a dialer that lives, however slow, whatever the clock says', async function () {
    if (process.platform === 'win32') this.skip(); // no SIGSTOP there
    const child = await offer();
    child.kill('SIGSTOP');
    for (const shift of [0, 61_000, day, -61_000, -day]) {
      shiftClock(shift);
      expect(reapAll(), `${shift}`).to.deep.equal([]);
      expect(existsSync(path)).to.equal(true);
    }
    child.kill('SIGCONT');
    await end(child);
    expect(reapAll()).to.have.length(1);
  });

  it('leaves what a listener takes later, from one that is stopped meanwhile', async function () {
    if (process.platform === 'win32') this.skip();
    const got: string[] = [];
    const listener = await listenChannel(address(), { codec: 'bytes' }, channel => {
      channel.on('message', bytes => got.push(Buffer.from(bytes as Uint8Array).toString()));
      channel.on('error', () => {});
    });
    try {
      const child = start(script, [address()]);
      child.once('message', told => ({ path } = told as { path: string }));
      // It may be stopped before the listener has taken it, or after that.
      while (path === '') await new Promise(resolve => setImmediate(resolve));
      child.kill('SIGSTOP');
      try {
        shiftClock(day);
      } catch {
        expect(existsSync(path), 'the listener has taken it').to.equal(false);
      }
      reapAll();
      while (got.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
      expect(got).to.deep.equal(['early']);
      child.kill('SIGCONT');
      await end(child);
    } finally {
      for (const channel of listener.connections) await channel.close();
      await listener.close();
    }
  });

  it('leaves that of a killed one for a minute in passing, then takes it; when asked, at once', async () => {
    for (const shift of [61_000, day, -61_000, -day]) {
      await end(await offer());
      expect(reapInPassing(), 'its listener may come yet').to.deep.equal([]);
      shiftClock(shift);
      expect(reapInPassing(), `${shift}`).to.have.length(1);
      expect(existsSync(path)).to.equal(false);
    }
    await end(await offer());
    expect(links(reap())).to.have.length(1);
  });

  it('goes by the real clock where a test has replaced it', async () => {
    await end(await offer());
    const now = Date.now;
    Date.now = () => 0;
    try {
      expect(reapInPassing()).to.deep.equal([]);
    } finally {
      Date.now = now;
    }
    expect(links(reap())).to.have.length(1);
  });
});
