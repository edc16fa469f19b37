// Two hundred strangers at once, and what they cost. The figures stand in SECURITY.md.
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmdirSync, statfsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import {
  type Conn,
  dial,
  listen,
  type Listener,
  type ListenOptions,
  type DropData,
} from '../../../src/index.js';
import { collect, held, scratch, skip } from '../../native/support.js';
import { rejected } from '../../support/errors.js';
import { leftLinks, socketPath } from '../../support/platform.js';
import { sibling, startProgram } from '../../support/processes.js';
import { readBytes } from '../conn/conn-pairs.js';
import { encode, Mouth } from './raw-peer.js';

const script = sibling(import.meta.url, './stranger.js');
const isRoot = process.getuid?.() === 0;
const strangers = 200;
// Among them a dial takes a second and more under Wine.
const honest = process.platform === 'win32' ? 5 : 20;

describe('Strangers at a listener', function () {
  this.timeout(60_000);
  const path = scratch();
  let listener: Listener<Conn>;

  afterEach(async function () {
    if (this.currentTest!.isPending()) return;
    for (const conn of listener.connections) conn.destroy();
    await listener.close();
  });

  async function open(options: ListenOptions): Promise<AddressInfo> {
    listener = await listen({ port: 0, host: '127.0.0.1' }, options, conn => {
      conn.on('error', () => {});
      conn.pipe(conn);
    });
    return listener.address() as AddressInfo;
  }

  /** Dials and is echoed. */
  async function serves(port: number): Promise<void> {
    const conn = await dial({ port, host: '127.0.0.1' }, { timeout: 30_000 });
    expect(conn.transport).to.equal('shared-memory');
    conn.end('still there');
    expect(String(await readBytes(conn, 11))).to.equal('still there');
    await once(conn.resume(), 'close');
  }

  async function attack(port: number, command: string[] = []): Promise<ChildProcess> {
    const [program, ...args] = [...command, process.execPath, script, `${port}`, `${strangers}`];
    const child = startProgram(program, args);
    await once(child.stdout, 'data');
    // All of them are there, or have been there already, and some gave way to others since.
    while (listener.pending + listener.dropped < strangers / 4)
      await new Promise(resolve => setTimeout(resolve, 5));
    return child;
  }

  async function stop(child: ChildProcess): Promise<void> {
    const exited = once(child, 'exit');
    child.stdin!.end();
    await exited;
  }

  const users: [who: string, command: string[]][] = [
    ['the same user', []],
    ['another user', ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']],
  ];
  for (const [who, command] of users) {
    it(`of ${who}, on a file system of 64 MiB: honest dials go through memory`, async function () {
      if (command.length > 0) {
        if (!isRoot) skip(this, 'only root can run a stranger as another user');
        if (spawnSync(command[0]!, [...command.slice(1), 'cat', script]).status !== 0) {
          skip(this, 'another user cannot read this folder');
        }
      }
      const directory = path(`small-${command.length}`);
      mkdirSync(directory, { mode: 0o700 });
      const options = 'size=64m,mode=0700';
      if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory]).status !== 0) {
        skip(this, 'this user may not mount a tmpfs');
      }
      try {
        const { port } = await open({ directory, handshakes: { timeout: 300 } });
        let refused = 0;
        listener.on('clientError', () => refused++);
        await serves(port);
        await collect();
        const before = held();
        const child = await attack(port, command);
        const used = process.cpuUsage();
        let most = 0;
        let mappings = 0;
        for (let i = 0; i < honest; i++) {
          await serves(port);
          // Nothing is there but what the honest one is about to give back.
          const { blocks, bfree, bsize } = statfsSync(directory);
          expect((blocks - bfree) * bsize).to.be.at.most(600 * 1024);
          const now = held();
          most = Math.max(most, now.descriptors - before.descriptors);
          mappings = Math.max(mappings, now.mappings - before.mappings);
        }
        while (refused < 2 * strangers) await new Promise(resolve => setTimeout(resolve, 10));
        const { user, system } = process.cpuUsage(used);
        // One descriptor each while it shakes hands, one while it is told why it is refused.
        expect(most).to.be.at.most(2 * strangers + 20);
        expect(mappings).to.be.below(50);
        expect((user + system) / 1000 / refused, 'milliseconds of a processor each').to.be.below(
          20,
        );
        await stop(child);
        await serves(port);
        while (listener.pending > 0) await new Promise(resolve => setTimeout(resolve, 10));
        expect(leftLinks(directory)).to.deep.equal([]);
        for (let i = 0; i < 100 && held().descriptors > before.descriptors; i++) {
          await new Promise(resolve => setTimeout(resolve, 20));
        }
        expect(held().descriptors).to.be.at.most(before.descriptors);
        for (const conn of listener.connections) conn.destroy();
        await listener.close();
      } finally {
        expect(spawnSync('umount', [directory]).status, 'nothing holds it').to.equal(0);
        rmdirSync(directory);
      }
    });
  }

  it('are kept within bounds, the oldest gives way, and honest ones dial again', async () => {
    const { port } = await open({ handshakes: { pending: 50, timeout: 20_000 } });
    const drops: DropData[] = [];
    listener.on('drop', data => drops.push(data));
    const child = await attack(port).catch(() => undefined);
    let most = 0;
    for (let i = 0; i < honest; i++) {
      await serves(port);
      most = Math.max(most, listener.pending);
    }
    await stop(child!);
    expect(most).to.be.at.most(50);
    // Two of their five kinds go by themselves, or are refused at once, and give way to nobody.
    expect(drops).to.have.length.above((strangers * 3) / 5 - 50);
    expect(listener.dropped).to.equal(drops.length);
    expect(drops[0]).to.deep.include({ reason: 'pending', remoteAddress: '127.0.0.1' });
  });

  it('are told to try again where they had to give way', async () => {
    listener = await listen(socketPath('bounds'), { handshakes: { pending: 2 } });
    const refused = once(listener, 'clientError');
    const mouths = [];
    for (let i = 0; i < 3; i++) mouths.push(await Mouth.to(socketPath('bounds')));
    expect((await mouths[0]!.hear())!.body).to.deep.include({ code: 'EAGAIN' });
    expect((await refused)[0]).to.deep.include({ code: 'EAGAIN', operation: 'accept' });
    expect(listener.pending).to.equal(2);
    for (const { socket } of mouths) socket.destroy();
  });

  it('map no more than `handshakes.bytes` before they have confirmed', async () => {
    const { makeRegion, offerOf } = await import('../../../src/transport/link/sharing.js');
    const { streamKind } = await import('../../../src/transport/conn/stream-rings.js');
    const capacity = 65_536;
    const bytes = 300_000; // two of them
    listener = await listen(socketPath('bounds'), { capacity, handshakes: { bytes } });
    const drops: DropData[] = [];
    listener.on('drop', data => drops.push(data));
    const nonce = 'ef'.repeat(16);
    const made = [];
    for (let i = 0; i < 5; i++) {
      const shared = makeRegion(streamKind('park'), capacity, undefined, nonce);
      const mouth = await Mouth.to(socketPath('bounds'));
      made.push({ shared, mouth });
      const offer = offerOf(shared, capacity, nonce);
      mouth.socket.write(encode(1, { content: 'stream', capacity, offer }));
      // It names no directory, so it is asked to confirm; and does not.
      expect((await mouth.hear())!.body).to.include({ confirm: true });
    }
    expect(listener.pending).to.equal(2);
    expect(drops.map(({ reason }) => reason)).to.deep.equal(['bytes', 'bytes', 'bytes']);
    expect((await made[0]!.mouth.hear())!.body.code).to.equal('EAGAIN');
    for (const { shared, mouth } of made) {
      mouth.socket.destroy();
      shared.ends.close();
      shared.region.close(true);
    }
    while (listener.pending > 0) await new Promise(resolve => setTimeout(resolve, 5));
    expect(leftLinks()).to.deep.equal([]);
  });

  it('crowd nobody out by memory that they only tell of', async () => {
    const capacity = 65_536;
    listener = await listen(socketPath('bounds'), { capacity, handshakes: { bytes: 300_000 } });
    const nonce = 'ef'.repeat(16);
    const mouths = [];
    for (let i = 0; i < 6; i++) {
      const mouth = await Mouth.to(socketPath('bounds'));
      mouths.push(mouth);
      const offer = { name: `link-${`0${i}`.repeat(12)}`, capacity, nonce };
      mouth.socket.write(encode(1, { content: 'stream', capacity, offer }));
      // There is no such file: it is asked for another, and says nothing.
      expect((await mouth.hear())!.kind).to.equal(2);
    }
    expect([listener.pending, listener.dropped]).to.deep.equal([6, 0]);
    for (const { socket } of mouths) socket.destroy();
  });

  it('do not take the place of connections', async () => {
    listener = await listen(socketPath('bounds'), { maxConnections: 2 });
    const drops: DropData[] = [];
    listener.on('drop', data => drops.push(data));
    const silent = [await Mouth.to(socketPath('bounds')), await Mouth.to(socketPath('bounds'))];
    const first = await dial(socketPath('bounds'));
    const second = await dial(socketPath('bounds'));
    expect(drops.map(({ reason }) => reason)).to.deep.equal(['connections', 'connections']);
    const error = await rejected(dial(socketPath('bounds')));
    expect(error).to.include({ code: 'ECONNREFUSED', operation: 'dial' });
    expect(error.message).to.match(/as many connections as it may have/);
    expect(listener.dropped).to.equal(3);
    const count = await new Promise(resolve => {
      listener.getConnections((_error, count) => resolve(count));
    });
    expect(count).to.equal(2);
    const gone = once(first, 'close');
    first.destroy();
    await gone;
    while (listener.connections.size > 1) await new Promise(resolve => setTimeout(resolve, 5));
    const third = await dial(socketPath('bounds'));
    listener.maxConnections = 3;
    const fourth = await dial(socketPath('bounds'));
    for (const conn of [second, third, fourth]) conn.destroy();
    for (const { socket } of silent) socket.destroy();
  });

  it('refuses bounds that are none', async () => {
    listener = await listen(socketPath('bounds'));
    for (const options of [
      { maxConnections: -1 },
      { maxConnections: 1.5 },
      { handshakes: { pending: 0 } },
      { handshakes: { bytes: '1' } },
      { handshakes: { timeout: -1 } },
    ] as ListenOptions[]) {
      const error = await rejected(listen(socketPath('others'), options));
      expect(error.code).to.equal('ERR_OUT_OF_RANGE');
    }
  });
});
