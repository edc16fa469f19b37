import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { type Conn, dial, listen, type Listener, reap } from '../../../src/index.js';
import { scratch } from '../../native/support.js';
import { leftLinks, socketPath } from '../../support/platform.js';
import { message, sibling, start } from '../../support/processes.js';
import { random } from '../../support/traffic.js';
import { numbers, type Orders } from './conn-peer.js';
import { recorded } from './conn-pairs.js';

const script = sibling(import.meta.url, './conn-peer.js');

/** All the bytes that come before the connection closes, however it does. */
function drained(conn: Conn): Promise<Buffer> {
  const chunks: Buffer[] = [];
  conn.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise(resolve => conn.once('close', () => resolve(Buffer.concat(chunks))));
}

/** Numbers from 0 on, with none missing; the last may be torn, as a stream's end may. */
function checkNumbers(bytes: Buffer): void {
  const whole = bytes.length >> 2;
  if (
    !numbers(0, whole + 1)
      .subarray(0, bytes.length)
      .equals(bytes)
  ) {
    throw new Error(`of ${whole} numbers some are missing, doubled or out of order`);
  }
}

/** A pipe of Windows is gone with its listener; a Unix socket stays. */
const gone = process.platform === 'win32' ? ['ENOENT'] : [];

describe('When the other end of a connection', function () {
  this.timeout(60_000);
  const path = scratch();
  const at = (name: string) => socketPath(path(name));
  let listener: Listener<Conn> | undefined;
  const threads = new Set<Worker>();

  afterEach(async () => {
    for (const thread of threads) await thread.terminate();
    threads.clear();
    for (const conn of listener?.connections ?? []) conn.destroy();
    await listener?.close();
    listener = undefined;
  });

  /** A connection with a peer that plays the role; this end is the other. */
  async function connected(
    role: 'listen' | 'dial',
    orders: Pick<Orders, 'does' | 'bytes' | 'options'>,
    place: 'process' | 'thread' = 'process',
  ): Promise<{ conn: Conn; peer: ReturnType<typeof start> | Worker }> {
    const address = at(`socket-${role}`);
    const all: Orders = { ...orders, role, address };
    const launch = () => {
      if (place === 'process') return start(script, [JSON.stringify(all)], { silent: true });
      const thread = new Worker(script, { workerData: all });
      threads.add(thread);
      return thread;
    };
    if (role === 'listen') {
      const peer = launch();
      await message(peer);
      return { conn: await dial(address), peer };
    }
    listener = await listen(address, orders.options);
    const accepted = once(listener, 'connection') as Promise<[Conn]>;
    const peer = launch();
    const [conn] = await accepted;
    return { conn, peer };
  }

  for (const role of ['listen', 'dial'] as const) {
    it(`is killed, having ${role}ed: what it had written arrives, then ECONNRESET`, async () => {
      const { conn, peer } = await connected(role, { does: 'write', bytes: 100_000 });
      const events = recorded(conn);
      expect(conn.transport).to.equal('shared-memory');
      // Of the peer's other words, `Connected` may come before.
      while ((await message(peer)) !== 'written');
      const exited = once(peer, 'exit');
      if (!(peer instanceof Worker)) peer.kill('SIGKILL');
      await exited;
      expect((await drained(conn)).equals(Buffer.alloc(100_000, 'w'))).to.equal(true);
      expect(events).to.deep.equal(['error ECONNRESET', 'close true']);
    });

    it(`is killed at a random moment, having ${role}ed: no byte is wrong`, async () => {
      const pick = random(role === 'dial' ? 21 : 22);
      for (let round = 0; round < 6; round++) {
        const { conn, peer } = await connected(role, {
          does: 'count',
          options: { capacity: 2 ** (12 + 2 * round) },
        });
        const events = recorded(conn);
        const enough = pick(3_000_000);
        conn.on('data', () => {
          if (conn.bytesRead < enough || peer instanceof Worker) return;
          peer.kill('SIGKILL');
        });
        const bytes = await drained(conn);
        expect(bytes.length).to.be.at.least(enough);
        checkNumbers(bytes);
        expect(events).to.deep.equal(['error ECONNRESET', 'close true']);
        await listener?.close();
        listener = undefined;
      }
    });

    it(`calls process.exit(0), also in a handler, having ${role}ed: an end after all bytes`, async () => {
      for (const does of ['exit', 'exit-in-handler'] as const) {
        const { conn } = await connected(role, { does, bytes: 50_000 });
        const events = recorded(conn);
        if (does === 'exit-in-handler') conn.write('now');
        expect((await drained(conn)).length).to.equal(50_000);
        expect(events.filter(event => event !== 'finish')).to.deep.equal(['end', 'close false']);
        await listener?.close();
        listener = undefined;
      }
    });
  }

  it('ends by itself, nothing keeping it: an end after all bytes', async () => {
    for (const place of ['process', 'thread'] as const) {
      const { conn } = await connected('dial', { does: 'end-naturally', bytes: 50_000 }, place);
      const events = recorded(conn);
      expect((await drained(conn)).length).to.equal(50_000);
      expect(events.filter(event => event !== 'finish')).to.deep.equal(['end', 'close false']);
      await listener!.close();
    }
  });

  it('is a thread that is terminated: what it had written arrives, then ECONNRESET', async () => {
    for (const role of ['listen', 'dial'] as const) {
      const { conn, peer } = await connected(role, { does: 'write', bytes: 100_000 }, 'thread');
      const events = recorded(conn);
      while ((await message(peer)) !== 'written');
      await (peer as Worker).terminate();
      expect((await drained(conn)).length).to.equal(100_000);
      expect(events).to.deep.equal(['error ECONNRESET', 'close true']);
    }
  });

  it('is a thread terminated in the middle of traffic, this one goes on', async () => {
    for (let round = 0; round < 4; round++) {
      const { conn, peer } = await connected('dial', { does: 'count' }, 'thread');
      conn.on('error', () => {});
      conn.once('data', () => void (peer as Worker).terminate());
      checkNumbers(await drained(conn));
      await listener!.close();
    }
  });

  it('is killed during a handshake, dialing: the listener goes on, nothing is left', async () => {
    const seen: Promise<void>[] = [];
    let last = 0;
    listener = await listen(at('handshakes'), conn => {
      conn.on('error', () => {});
      last = performance.now();
      seen.push(drained(conn).then(checkNumbers));
    });
    const pick = random(23);
    const orders: Orders = { role: 'dial-for-ever', address: at('handshakes'), does: 'echo' };
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const peer = start(script, [JSON.stringify(orders)], { silent: true });
        await message(peer);
        await new Promise(resolve => setTimeout(resolve, pick(40)));
        const exited = once(peer, 'exit');
        peer.kill('SIGKILL');
        await exited;
      }),
    );
    await Promise.all(seen);
    expect(last).to.be.above(0);
    const conn = await dial(at('handshakes'));
    conn.end();
    await drained(conn);
    for (const conn of listener.connections) conn.destroy();
    await listener.close();
    // A name may be left by one killed between making a region and offering it.
    reap(process.env.MMAP_TRANSPORT_DIR);
    expect(leftLinks()).to.deep.equal([]);
  });

  it('is killed during a handshake, listening: dialing fails at once, nothing is left', async () => {
    const pick = random(24);
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const address = at(`killed-${i}`);
        const orders: Orders = { role: 'listen', address, does: 'echo' };
        const peer = start(script, [JSON.stringify(orders)], { silent: true });
        await message(peer);
        setTimeout(() => peer.kill('SIGKILL'), 20 + pick(60));
        for (;;) {
          try {
            const conn = await dial(address, { timeout: 20_000 });
            conn.on('error', () => {});
            conn.end(numbers(0, 100));
            checkNumbers(await drained(conn));
          } catch (error) {
            const { code } = error as NodeJS.ErrnoException;
            if (code === 'EAGAIN') continue;
            // Any error of the kernel, but not a timeout.
            expect(code).to.be.oneOf(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', ...gone]);
            break;
          }
        }
      }),
    );
    expect(leftLinks()).to.deep.equal([]);
  });
});
