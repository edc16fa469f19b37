import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Address, type Conn, dial, listen, type ListenOptions } from '../../../src/index.js';
import { scratch, skip } from '../../native/support.js';
import { leftLinks, socketPath } from '../../support/platform.js';
import { asNobody, readableByAll, whyNotNobody } from '../../support/other-user.js';
import { message, sibling, start } from '../../support/processes.js';
import { readBytes } from './conn-pairs.js';
import type { Connected, Orders } from './conn-peer.js';

const script = sibling(import.meta.url, './conn-peer.js');

/** Starts a peer by another command that ends in `node script orders`. */
function startUnder(command: string[], orders: Orders) {
  const file = command === asNobody ? readableByAll(script) : script;
  const [program, ...args] = [...command, process.execPath, file, JSON.stringify(orders)];
  return start(file, [], { execPath: program, execArgv: args, silent: true, cwd: '/' });
}

describe('Where memory cannot be shared, connections go over the socket', function () {
  this.timeout(30_000);
  const path = scratch();
  const at = (name: string) => socketPath(path(name));

  /** Both sides report it, with the same reason, and bytes go both ways. */
  async function echoes(conn: Conn, peer: Connected, reason: RegExp): Promise<void> {
    expect([conn.transport, peer.transport]).to.deep.equal(['socket', 'socket']);
    expect(conn.fallbackReason).to.match(reason);
    expect(peer.fallbackReason).to.equal(conn.fallbackReason);
    const bytes = Buffer.alloc(300_000, 'e');
    conn.write(bytes);
    expect((await readBytes(conn, bytes.length)).equals(bytes)).to.equal(true);
    const gone = once(conn, 'close');
    conn.end();
    conn.resume();
    await gone;
    expect(leftLinks()).to.deep.equal([]);
  }

  /** A listener here, a peer that dials it; run until they have spoken. */
  async function meet(
    address: Address,
    options: ListenOptions,
    command: string[],
    reason: RegExp,
    ready: () => void = () => {},
  ): Promise<void> {
    const listener = await listen(address, options);
    const accepted = once(listener, 'connection') as Promise<[Conn]>;
    ready();
    const peer = startUnder(command, { role: 'dial', address, does: 'echo' });
    const told = message<Connected>(peer);
    const [conn] = await accepted;
    await echoes(conn, await told, reason);
    peer.kill();
    await listener.close();
  }

  it('with another mount namespace, where the directory is another one', async function () {
    const mount = 'mount -t tmpfs -o mode=700 none "$MMAP_TRANSPORT_DIR"';
    const command = ['unshare', '-m', 'sh', '-c', `${mount} && exec "$@"`, 'sh'];
    if (spawnSync(command[0]!, [...command.slice(1), 'true']).status !== 0) {
      skip(this, 'this user may not make a mount namespace');
    }
    await meet(at('namespace'), {}, command, /ENOENT/);
  });

  it("with another user's process", async function () {
    const notNobody = whyNotNobody();
    if (notNobody) skip(this, notNobody);
    const folder = path('open');
    mkdirSync(folder);
    for (const open of [path(''), folder]) chmodSync(open, 0o777);
    await meet(`${folder}/socket`, {}, asNobody, /ERR_UNSAFE_DIRECTORY.*owner 65534, got 0/, () => {
      chmodSync(`${folder}/socket`, 0o777);
    });
  });

  it('with a directory that others may enter', async () => {
    const directory = path('public');
    mkdirSync(directory, { mode: 0o755 });
    await meet(at('unsafe'), { directory }, ['env'], /ERR_UNSAFE_DIRECTORY.*got 0755/);
  });

  it('with a full file system, and says what was wanted', async function () {
    const directory = path('full');
    mkdirSync(directory, { mode: 0o700 });
    const options = 'size=1m,mode=0700';
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory]).status !== 0) {
      skip(this, 'this user may not mount a tmpfs');
    }
    try {
      const capacity = 1 << 20;
      await meet(at('enospc'), { directory, capacity }, ['env'], /ENOSPC.*wanted 2\d{6} bytes/);
      expect(readdirSync(directory)).to.deep.equal([]);
    } finally {
      expect(spawnSync('umount', [directory]).status, 'nothing holds it').to.equal(0);
    }
  });

  it('with a peer on another machine, as its address tells', async function () {
    // A network namespace of its own, and a cable between the two.
    const other = spawn('unshare', ['-n', 'sleep', '60'], { stdio: 'ignore' });
    const cable = `mt${process.pid}`;
    const ip = (...args: string[]) => spawnSync('ip', args).status === 0;
    const inside = (...args: string[]) => [`--target=${other.pid}`, '--net', ...args];
    try {
      let made = false;
      for (let i = 0; i < 50 && !made && other.exitCode === null; i++) {
        await sleep(20); // until it is in its namespace
        made = spawnSync('nsenter', inside('ip', 'link', 'show', 'lo')).status === 0;
      }
      made &&=
        ip(
          'link',
          'add',
          `${cable}a`,
          'type',
          'veth',
          'peer',
          `${cable}b`,
          'netns',
          `${other.pid}`,
        ) &&
        ip('address', 'add', '10.213.77.1/30', 'dev', `${cable}a`) &&
        ip('link', 'set', `${cable}a`, 'up') &&
        [
          ['ip', 'address', 'add', '10.213.77.2/30', 'dev', `${cable}b`],
          ['ip', 'link', 'set', `${cable}b`, 'up'],
        ].every(args => spawnSync('nsenter', inside(...args)).status === 0);
      if (!made) skip(this, 'this user may not connect two network namespaces');
      let port = 0;
      const listener = await listen({ port: 0, host: '10.213.77.1' });
      port = (listener.address() as { port: number }).port;
      const accepted = once(listener, 'connection') as Promise<[Conn]>;
      const address = { port, host: '10.213.77.1' };
      // A dialer in this namespace is local, though not over 127.0.0.1.
      const near = await dial(address);
      expect(near.transport).to.equal('shared-memory');
      expect((await accepted)[0].transport).to.equal('shared-memory');
      near.destroy();
      const far = once(listener, 'connection') as Promise<[Conn]>;
      const command = ['nsenter', ...inside()];
      const peer = startUnder(command, { role: 'dial', address, does: 'echo' });
      const told = message<Connected>(peer);
      const [conn] = await far;
      expect([conn.remoteAddress, conn.localPort]).to.deep.equal(['10.213.77.2', port]);
      await echoes(conn, await told, /another machine/);
      peer.kill();
      await listener.close();
    } finally {
      other.kill('SIGKILL');
      ip('link', 'delete', `${cable}a`);
    }
  });

  it('where either side asks for it', async () => {
    for (const [here, there] of [
      [false, true],
      [true, false],
    ] as const) {
      const listener = await listen(at('asked'), { sharedMemory: here });
      const accepted = once(listener, 'connection') as Promise<[Conn]>;
      const conn = await dial(at('asked'), { sharedMemory: there });
      const [other] = await accepted;
      other.pipe(other);
      await echoes(conn, other, /turned off/);
      await listener.close();
    }
  });
});
