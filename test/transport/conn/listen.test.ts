import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net, { connect, createServer } from 'node:net';
import { expect } from 'chai';
import { type Conn, dial, listen, listenChannel, ShmError } from '../../../src/index.js';
import { scratch } from '../../native/support.js';
import { rejected } from '../../support/errors.js';
import { atOnce, socketPath } from '../../support/platform.js';
import { message, sibling, start } from '../../support/processes.js';
import { readAll, readBytes } from './conn-pairs.js';
import type { Orders } from './conn-peer.js';

const script = sibling(import.meta.url, './conn-peer.js');

describe('listen and dial', function () {
  this.timeout(30_000);
  const path = scratch();
  const at = (name: string) => socketPath(path(name));

  it('connect by a path, and in shared memory', async () => {
    const listener = await listen(at('plain'), conn => conn.end(`hello over ${conn.transport}`));
    expect([listener.address(), listener.listening]).to.deep.equal([at('plain'), true]);
    const conn = await dial(at('plain'));
    expect(conn.fallbackReason).to.equal(undefined);
    expect(String(await readAll(conn))).to.equal('hello over shared-memory');
    await listener.close();
    expect([listener.address(), listener.listening]).to.deep.equal([null, false]);
    expect(existsSync(path('plain'))).to.equal(false);
  });

  it('connect by a TCP port of this machine, and know their addresses', async () => {
    const listener = await listen({ port: 0 });
    const { port } = listener.address() as { port: number };
    const accepted = once(listener, 'connection') as Promise<[Conn]>;
    const conn = await dial({ port });
    const [other] = await accepted;
    expect([conn.transport, other.transport]).to.deep.equal(['shared-memory', 'shared-memory']);
    expect(conn.remotePort).to.equal(port);
    expect(conn.remoteAddress).to.be.oneOf(['127.0.0.1', '::1']);
    expect(other.remotePort).to.equal(conn.localPort);
    expect(other.address()).to.include({ port });
    conn.destroy();
    other.resume();
    await listener.close();
  });

  it('connect two processes', async () => {
    const orders: Orders = { role: 'listen', address: at('process'), does: 'echo' };
    await message(start(script, [JSON.stringify(orders)]));
    const conn = await dial(at('process'));
    const bytes = Buffer.alloc(1_000_000, 'p');
    conn.end(bytes);
    expect((await readAll(conn)).equals(bytes)).to.equal(true);
  });

  it('agree on the smaller capacity', async () => {
    // 0: says nothing.
    const capacities: [listener: number, dialer: number, room: number][] = [
      [4096, 8192, 4096],
      [8192, 4096, 4096],
      [0, 4096, 4096],
      [4096, 0, 4096],
      [0, 2 ** 30, 2 ** 24],
    ];
    for (const [own, asked, agreed] of capacities) {
      const listener = await listen(at('capacity'), own ? { capacity: own } : {});
      const accepted = once(listener, 'connection') as Promise<[Conn]>;
      const conn = await dial(at('capacity'), asked ? { capacity: asked } : {});
      const [other] = await accepted;
      // What the peer does not take out stays in the ring, less what its stream holds.
      let room = 0;
      while (conn.write(Buffer.alloc(1024)) && room < 2 ** 25) room += 1024;
      expect(room).to.be.within(agreed - 1024, agreed + conn.writableHighWaterMark);
      conn.destroy();
      other.destroy();
      await listener.close();
    }
  });

  it('a busy address is EADDRINUSE', async () => {
    const listener = await listen(at('busy'));
    const error = await rejected(listen(at('busy')));
    expect(error).to.be.instanceOf(ShmError);
    expect(error).to.include({ code: 'EADDRINUSE', operation: 'listen', address: at('busy') });
    await listener.close();
    const stranger = createServer().listen(at('stranger'));
    await once(stranger, 'listening');
    expect((await rejected(listen(at('stranger')))).code).to.equal('EADDRINUSE');
    stranger.close();
  });

  it('a deserted socket is replaced, a file is left alone', async () => {
    const listener = await listen(at('busy'));
    renameSync(at('busy'), at('deserted'));
    await listener.close();
    // Of several at once exactly one gets it, and the others are refused.
    const all = await Promise.allSettled([1, 2, 3].map(() => listen(at('deserted'))));
    const open = all.filter(result => result.status === 'fulfilled');
    expect(open).to.have.length(1);
    for (const result of all) {
      if (result.status === 'fulfilled') continue;
      expect((result.reason as ShmError).code).to.equal('EADDRINUSE');
    }
    (await dial(at('deserted'))).destroy();
    const winner = open[0]!.value;
    winner.on('connection', conn => conn.destroy());
    for (const conn of winner.connections) conn.destroy();
    await winner.close();
    writeFileSync(path('file'), 'precious');
    expect((await rejected(listen(path('file')))).code).to.equal('EADDRINUSE');
    expect(readFileSync(path('file'), 'utf8'), 'a file is left alone').to.equal('precious');
  });

  it('refuse bad arguments, and leave nothing', async () => {
    for (const nonsense of ['', 5, null, { port: 70_000 }] as never[]) {
      expect((await rejected(listen(nonsense))).code).to.equal('ERR_INVALID_ARG');
    }
    const code = async (options: object) => (await rejected(listen(at('no'), options))).code;
    expect(await code({ capacity: 3 })).to.equal('ERR_OUT_OF_RANGE');
    expect(await code({ handshakeTimeout: -1 })).to.equal('ERR_OUT_OF_RANGE');
    expect(await code({ wait: 'nap' })).to.equal('ERR_INVALID_ARG');
    expect(existsSync(path('no'))).to.equal(false);
  });

  it('refuse a folder that is not there', async () => {
    expect((await rejected(listen(at('missing/socket')))).code).to.be.oneOf(['EACCES', 'ENOENT']);
  });

  it('closing waits for connections, is told once, and may be asked for twice', async () => {
    const listener = await listen(at('closing'), conn => conn.pipe(conn));
    let closes = 0;
    listener.on('close', () => closes++);
    const conn = await dial(at('closing'));
    conn.write('x');
    await readBytes(conn, 1);
    expect(listener.connections.size).to.equal(1);
    let over = false;
    const closing = Promise.all([listener.close(), listener.close()]).then(() => (over = true));
    conn.write('still served');
    expect(String(await readBytes(conn, 12))).to.equal('still served');
    // A Windows pipe stays while a connection is open, and a dialer waits.
    const late = await rejected(dial(at('closing'), { timeout: 300 }));
    expect(late.code).to.equal(process.platform === 'win32' ? 'ETIMEDOUT' : 'ENOENT');
    expect([over, closes]).to.deep.equal([false, 0]);
    conn.end();
    conn.resume();
    await closing;
    await listener.close();
    await new Promise(resolve => setTimeout(resolve, 20));
    expect([closes, listener.connections.size]).to.deep.equal([1, 0]);
  });

  it('closing is told once also where a refused peer lingers', async () => {
    const listener = await listen(at('lingering'));
    let closes = 0;
    listener.on('close', () => closes++);
    const conn = await dial(at('lingering'));
    const refused = once(listener, 'clientError');
    const stranger = connect({ path: at('lingering'), allowHalfOpen: true });
    stranger.on('error', () => {}).write('GET / HTTP/1.1\r\n\r\n');
    await refused;
    const closing = listener.close();
    conn.destroy();
    await once(conn, 'close');
    stranger.destroy();
    await closing;
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(closes).to.equal(1);
  });

  it('hand out connections to an iterator until the listener closes', async () => {
    const listener = await listen(at('iterator'));
    const seen: string[] = [];
    const iterating = (async () => {
      for await (const conn of listener) {
        seen.push(String(await readAll(conn)));
        if (seen.length === 3) void listener.close();
      }
    })();
    for (const text of ['one', 'two', 'three']) {
      const conn = await dial(at('iterator'));
      conn.resume().end(text);
      await once(conn, 'close');
    }
    await iterating;
    expect(seen).to.deep.equal(['one', 'two', 'three']);
  });

  it('end the loop over a listener that is closed already, also of channels', async () => {
    for (const open of [listen, listenChannel]) {
      const listener = await open(at('closed'));
      const begun = listener[Symbol.asyncIterator]();
      listener.removeAllListeners(); // the loops need none
      await listener.close();
      for (const loop of [begun, listener[Symbol.asyncIterator](), listener]) {
        expect((await loop[Symbol.asyncIterator]().next()).done).to.equal(true);
      }
    }
  });

  it('keep for a loop what comes before and between its turns', async () => {
    const listener = await listen(at('early'));
    const loop = listener[Symbol.asyncIterator]();
    const conns = await Promise.all([1, 2, 3].map(() => dial(at('early'))));
    while (listener.connections.size < 3) await once(listener, 'connection');
    const taken = [(await loop.next()).value, (await loop.next()).value] as Conn[];
    expect(taken).to.deep.equal([...listener.connections].slice(0, 2));
    await loop.return!();
    expect((await loop.next()).done).to.equal(true);
    expect(listener.connections.size).to.equal(3); // the one that nobody took is open
    expect(listener.eventNames()).to.deep.equal([]);
    for (const conn of [...conns, ...listener.connections]) conn.destroy();
    await listener.close();
  });

  it('accept nobody for a moment: no loop ends by it, and later connections come', async () => {
    const servers: net.Server[] = [];
    const own = createServer; // the binding changes
    net.createServer = ((...args: Parameters<typeof createServer>) => {
      servers.push(own(...args));
      return servers.at(-1);
    }) as typeof createServer;
    syncBuiltinESMExports();
    const listener = await listen(at('lacking')).finally(() => {
      net.createServer = own;
      syncBuiltinESMExports();
    });
    const lack = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' });
    const loop = listener[Symbol.asyncIterator]();
    const next = loop.next();
    // Nobody listens for `error`; somebody does; and one who waits by `once` gets it.
    servers[0]!.emit('error', lack);
    listener.once('error', () => {});
    servers[0]!.emit('error', lack);
    const waiting = rejected(once(listener, 'connection'));
    servers[0]!.emit('error', lack);
    expect((await waiting).code).to.equal('EMFILE');
    expect(listener.listenerCount('error')).to.equal(0);
    const conn = await dial(at('lacking'));
    const { value: other } = (await next) as { value: Conn };
    conn.end('x');
    expect(String(await readAll(other))).to.equal('x');
    other.destroy();
    await listener.close();
    expect((await loop.next()).done).to.equal(true);
  });

  it('a signal destroys the connection that it helped to make', async () => {
    const listener = await listen(at('signal'), conn => conn.resume());
    const controller = new AbortController();
    const conn = await dial(at('signal'), { signal: controller.signal });
    const failed = once(conn, 'error');
    const reason = new Error('stop');
    controller.abort(reason);
    expect((await failed)[0]).to.equal(reason);
    await listener.close();
  });

  it('a dialer that gives up just when it was accepted says nothing that would be content', async () => {
    for (const sharedMemory of [false, true]) {
      const controller = new AbortController();
      const listener = await listen(at('late'), { sharedMemory });
      const accepted = once(listener, 'connection') as Promise<[Conn]>;
      // The listener's last word is under way.
      listener.once('connection', () => controller.abort(new Error('too late')));
      const failed = rejected(dial(at('late'), { signal: controller.signal }));
      const [conn] = await accepted;
      const errors: unknown[] = [];
      conn.on('error', error => errors.push((error as NodeJS.ErrnoException).code));
      const closed = new Promise(resolve => conn.once('close', resolve));
      const got: unknown[] = [];
      conn.on('data', chunk => got.push(chunk));
      expect((await failed).message).to.equal('too late');
      await closed;
      // At most that it is gone, as of a socket that is closed with something unread in it.
      expect([got, errors.filter(code => code !== 'ECONNRESET')]).to.deep.equal([[], []]);
      await listener.close();
    }
  });

  it('two hundred dial at once', async () => {
    const options = { handshakeTimeout: 30_000 }; // under qemu it takes that
    const listener = await listen(at('crowd'), options, conn => conn.pipe(conn));
    await Promise.all(
      Array.from({ length: atOnce(200) }, async (_, i) => {
        const conn = await dial(at('crowd'), { capacity: 4096, timeout: 30_000 });
        conn.end(`I am ${i}`);
        expect(String(await readAll(conn))).to.equal(`I am ${i}`);
      }),
    );
    await listener.close();
  });
});
