import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs, { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { Bus, reap } from '../../../src/index.js';
import { PeerDirectory } from '../../../src/transport/bus/peer-directory.js';
import { ringHeaderBytes } from '../../../src/transport/ring/layout.js';
import { skip } from '../../native/support.js';
import { thrown } from '../../support/errors.js';
import { nobody, readableByAll, whyNotNobody } from '../../support/other-user.js';
import {
  message,
  outcome,
  sibling,
  start,
  startAlone,
  startNode,
} from '../../support/processes.js';
import { type Event, now } from './bus-peer.js';

const script = sibling(import.meta.url, './bus-peer.js');
const index = new URL('../../../src/index.js', import.meta.url).href;

describe('The peers of a bus', function () {
  this.timeout(60_000);

  const name = `presence ${randomUUID()}`;
  let buses: Bus[] = [];

  async function here(id: string): Promise<Bus> {
    const bus = await Bus.join(name, { id });
    buses.push(bus);
    return bus;
  }

  async function there(id: string): Promise<ChildProcess> {
    const child = start(script, [JSON.stringify({ name, id })]);
    expect(await message(child)).to.equal('joined');
    return child;
  }

  /** A process that joins, and waits for nothing else: it must end in good order. */
  async function joinUnreferenced(): Promise<void> {
    const program = `
      import { Bus } from ${JSON.stringify(index)};
      const bus = await Bus.join(${JSON.stringify(name)});
      bus.unref();
    `;
    const { code } = await outcome(startAlone('--input-type=module', ['--eval', program]));
    expect(code).to.equal(0);
  }

  afterEach(async () => {
    await Promise.all(buses.map(bus => bus.close()));
    buses = [];
  });

  /** How long after `since` the last of the witnesses saw it, in milliseconds. */
  async function seen(bus: Bus, by: string[], what: Event['what'], id: string, since: number) {
    let last = 0;
    for (const witness of by) {
      for (;;) {
        const events = (await bus.request(witness, { does: 'events' })) as Event[];
        const event = events.find(one => one.what === what && one.id === id);
        last = Math.max(last, event?.at ?? 0);
        if (event) break;
        await delay(5);
      }
    }
    return last - since;
  }

  it('are told within 100 ms of one that joins, closes or is killed, everywhere', async () => {
    const witnesses = ['b', 'c', 'd', 'e'];
    await Promise.all(witnesses.map(there));
    const bus = await here('a');
    const times: Record<string, number[]> = { joined: [], closed: [], killed: [] };
    for (let round = 0; round < 5; round++) {
      let since = now();
      const guest = await Bus.join(name, { id: `guest ${round}` });
      times.joined!.push(await seen(bus, witnesses, 'join', guest.id, since));
      since = now();
      await guest.close();
      times.closed!.push(await seen(bus, witnesses, 'leave', guest.id, since));

      const id = `victim ${round}`;
      const victim = await there(id);
      await seen(bus, witnesses, 'join', id, 0);
      since = now();
      victim.kill('SIGKILL');
      times.killed!.push(await seen(bus, witnesses, 'leave', id, since));
    }
    // The best of the rounds: a timer or a poll in between would be in each, a busy machine is not.
    for (const [what, all] of Object.entries(times)) {
      const text = all.map(time => time.toFixed(1)).join(', ');
      console.log(`      ${what}: seen everywhere after ${text} ms`);
      expect(Math.min(...all), what).to.be.below(100);
    }
  });

  it('are found though somebody cleans up in the middle of their joining', async () => {
    const { openSync } = fs;
    let reaped: string[] = [];
    // Between the making of the file that shows a peer and its lease it looks like a killed one's.
    fs.openSync = (...args: Parameters<typeof openSync>) => {
      const fd = openSync(...args);
      const isMark = /[/\\]bus-[0-9a-f]{24}$/.test(String(args[0]));
      if (isMark && reaped.length === 0 && Number(args[1]) & fs.constants.O_CREAT) reaped = reap();
      return fd;
    };
    syncBuiltinESMExports();
    try {
      await here('a');
    } finally {
      fs.openSync = openSync;
      syncBuiltinESMExports();
    }
    expect(reaped).to.have.length(1);
    const b = await here('b');
    expect([...b.peers]).to.deep.equal(['a']);
    if (process.platform !== 'win32') {
      const files = readdirSync(process.env.MMAP_TRANSPORT_DIR!);
      expect(files.filter(file => file.endsWith('.sock'))).to.have.length(2);
    }
  });

  it('go on though the kernel accepts nobody for a moment', async () => {
    const { createServer } = net;
    const servers: net.Server[] = [];
    net.createServer = ((...args: Parameters<typeof createServer>) => {
      servers.push(createServer(...args));
      return servers.at(-1);
    }) as typeof createServer;
    syncBuiltinESMExports();
    const a = await here('a').finally(() => {
      net.createServer = createServer;
      syncBuiltinESMExports();
    });
    const lack = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' });
    const warned = once(process, 'warning');
    servers[0]!.emit('error', lack);
    expect((await warned)[0]).to.include({ name: 'ShmError', code: 'EMFILE' });
    const told = once(a, 'error');
    servers[0]!.emit('error', lack);
    expect((await told)[0]).to.include({ name: 'ShmError', code: 'EMFILE' });
    expect([...(await here('b')).peers]).to.deep.equal(['a']);
  });

  it('dial a silent one once, for as long as it is there, and exit without it', async () => {
    const place = new PeerDirectory(name, undefined);
    const sockets: net.Socket[] = [];
    const silent = net.createServer(socket => sockets.push(socket.on('error', () => {})));
    silent.listen(place.address());
    await once(silent, 'listening');
    place.reveal();
    try {
      const a = await here('a');
      await joinUnreferenced();
      await delay(5500); // longer than a handshake may take a listener
      expect(sockets).to.have.length(2); // of `a`, and of the process that has gone
      await a.close();
    } finally {
      place.hide();
      silent.close();
      for (const socket of sockets) socket.destroy();
    }
  });

  it('exit unreferenced, though one does not accept and its queue is full', async function () {
    if (process.platform !== 'linux') skip(this, 'only Linux says EAGAIN then');
    const place = new PeerDirectory(name, undefined);
    const address = JSON.stringify(place.address());
    const deaf = startAlone('--eval', [
      `require('node:net').createServer().listen({ path: ${address}, backlog: 1 }, () => {
         console.log('listening');
         Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // before it accepts anybody
       })`,
    ]);
    await once(deaf.stdout!, 'data');
    place.reveal();
    const sockets: net.Socket[] = [];
    try {
      for (let isFull = false; !isFull;) {
        const socket = net.connect(place.address());
        sockets.push(socket);
        isFull = await once(socket, 'connect').then(
          () => false,
          (error: unknown) => (error as NodeJS.ErrnoException).code === 'EAGAIN',
        );
      }
      await joinUnreferenced();
    } finally {
      place.hide();
      deaf.kill('SIGKILL');
      for (const socket of sockets) socket.destroy();
    }
  });

  it('exit unreferenced, though one waits for the id of another that is stopped', async function () {
    if (process.platform === 'win32') skip(this, 'Windows has no SIGSTOP');
    const program = `
      import { Bus } from ${JSON.stringify(index)};
      const bus = await Bus.join(${JSON.stringify(name)}, { id: 'a' });
      bus.unref();
      process.send([...bus.peers]);
      process.once('message', () => process.disconnect());
    `;
    const first = await there('k');
    const args = ['--input-type=module', '--eval', program];
    const child = startNode(args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    expect(await message(child)).to.deep.equal(['k']);
    first.kill('SIGSTOP');
    try {
      expect([...(await here('k')).peers]).to.deep.equal(['a']); // not the stopped one
      const ended = outcome(child);
      child.send('go');
      expect((await ended).code).to.equal(0);
    } finally {
      first.kill('SIGKILL');
    }
  });

  it('are notified when they wait for room at one that dies', async function () {
    if (process.platform === 'win32') skip(this, 'Windows has no SIGSTOP');
    const bus = await here('a');
    const child = await there('b');
    if (!bus.peers.has('b')) await once(bus, 'join');
    await bus.request('b', { does: 'peers' }); // so that there is a link
    child.kill('SIGSTOP');
    while (bus.send('b', Buffer.alloc(100_000)));
    const ready = bus.ready('b');
    child.kill('SIGKILL');
    await ready;
    const left = once(bus, 'leave');
    if (bus.peers.has('b')) await left;
    expect(thrown(() => bus.send('b', 1)).code).to.equal('ERR_UNKNOWN_PEER');
  });

  it('deliver what they accepted before they are seen to leave, when they close', async () => {
    const [a, b] = await Promise.all(['a', 'b'].map(here));
    if (a!.peers.size === 0) await once(a!, 'join');
    const got: unknown[] = [];
    b!.on('message', value => got.push(value));
    a!.send('b', 0);
    while (got.length < 1) await once(b!, 'message'); // so that there is a link
    let accepted = 0;
    while (a!.send('b', { number: ++accepted, filling: Buffer.alloc(500) }));
    const left = (once(b!, 'leave') as Promise<unknown[]>).then(told => [...told, got.length]);
    await a!.close();
    expect(await left).to.deep.equal(['a', 'closed', accepted]);
    const numbers = got.slice(1).map(value => (value as { number: number }).number);
    expect(numbers).to.deep.equal(Array.from({ length: accepted - 1 }, (_, i) => i + 1));
    expect(accepted).to.be.above(1000);
  });

  it('may be many: joining twelve others prints no warning', async () => {
    const program = `
      import { Bus } from ${JSON.stringify(index)};
      const all = [];
      for (let i = 0; i < 13; i++) all.push(await Bus.join(${JSON.stringify(name)}));
      console.log(all.at(-1).peers.size);
      await Promise.all(all.map(bus => bus.close()));
    `;
    const child = startAlone('--input-type=module', ['--eval', program]);
    const { code, stdout, stderr } = await outcome(child);
    expect(stderr).to.equal('');
    expect([code, stdout]).to.deep.equal([0, '12\n']);
  });

  it('take memory for the pairs that talk, and for no others', async function () {
    if (process.platform !== 'linux') skip(this, 'there is no /proc to look into');
    /** Bytes of links that this process has mapped: both sides of each are here. */
    const mapped = () =>
      readFileSync('/proc/self/maps', 'utf8')
        .split('\n')
        .filter(line => line.includes('/link-'))
        .map(line =>
          line
            .split(' ')[0]!
            .split('-')
            .map(at => parseInt(at, 16)),
        )
        .reduce((sum, [from, to]) => sum + to! - from!, 0);
    const before = mapped();
    const all = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(here));
    for (const bus of all) {
      while (bus.peers.size < all.length - 1) await once(bus, 'join');
      bus.onRequest(value => value);
    }
    const pair = Math.ceil((2 * (ringHeaderBytes + 2 ** 20)) / 4096) * 4096;
    expect(mapped() - before, 'nobody talks').to.equal(0);
    const [a, b, c] = all;
    // Both ways, one after the other: one link.
    expect(await a!.request('b', 1)).to.equal(1);
    expect(await b!.request('a', 1)).to.equal(1);
    expect(mapped() - before, 'one pair talks').to.equal(2 * pair); // each side maps it
    expect(await a!.request('c', 1)).to.equal(1);
    expect(await c!.request('b', 1)).to.equal(1);
    expect(mapped() - before, 'three pairs talk').to.equal(3 * 2 * pair);
  });

  it('are separate from those of another user, which cannot reach them', async function () {
    const reason = existsSync('/dev/shm') ? whyNotNobody() : 'there is no /dev/shm';
    if (reason) skip(this, reason);
    const theirs = `/dev/shm/mmap-transport-${nobody}`;
    const isNew = !existsSync(theirs);
    const index = readableByAll(sibling(import.meta.url, '../../../src/index.js'));
    const program = `
      import { Bus } from ${JSON.stringify(index)};
      const [name, directory] = process.argv.slice(1);
      try {
        const bus = await Bus.join(name, { id: 'a', directory });
        console.log('joined, with ' + bus.peers.size);
        process.stdin.resume().once('end', () => bus.close());
      } catch (error) {
        console.log(error.code);
      }
    `;
    const env = { ...process.env };
    delete env.MMAP_TRANSPORT_DIR;
    const children: ChildProcess[] = [];
    let errors = '';
    /** Joins in the user's own directory, or the given one; reports the outcome. */
    async function joinAs(uid: number, directory?: string): Promise<string> {
      const args = ['--input-type=module', '--eval', program, name];
      if (directory) args.push(directory);
      const child = spawn(process.execPath, args, { uid, gid: uid, env, cwd: '/' });
      children.push(child);
      child.stderr.on('data', (text: Buffer) => (errors += String(text)));
      const line = once(child.stdout, 'data').then(([text]) => String(text).trim());
      return Promise.race([line, once(child, 'close').then(() => errors)]);
    }
    try {
      expect(await joinAs(0)).to.equal('joined, with 0');
      const told = await joinAs(nobody);
      expect(told, 'the same id, under another user').to.equal('joined, with 0');
      expect(await joinAs(0), 'the same id again').to.equal('ERR_ID_TAKEN');
      const directory = '/dev/shm/mmap-transport-0';
      expect(await joinAs(nobody, directory)).to.equal('ERR_UNSAFE_DIRECTORY');
    } finally {
      for (const child of children) {
        const isRunning = child.exitCode === null && child.signalCode === null;
        const ended = isRunning && once(child, 'close');
        child.stdin!.end();
        await ended;
      }
      if (isNew) rmSync(theirs, { recursive: true, force: true });
    }
    expect(errors).to.equal('');
    for (const child of children) expect(child.exitCode).to.equal(0);
  });
});
