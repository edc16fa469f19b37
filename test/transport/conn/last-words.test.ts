import { once } from 'node:events';
import { Writable } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Conn, listen, type Listener } from '../../../src/index.js';
import { scratch } from '../../native/support.js';
import { socketPath } from '../../support/platform.js';
import { message, sibling, start } from '../../support/processes.js';
import { recorded } from './conn-pairs.js';
import type { Orders } from './conn-peer.js';

const script = sibling(import.meta.url, './conn-peer.js');

/** More than the stream's buffer and a chunk hold, less than the ring. */
const ringful = 220_000;

/** Less than the kernel holds of a socket that nobody reads. */
const socketful = 60_000;

/** Each reads everything until the connection fails, and counts it. */
const readers: Record<string, (conn: Conn, note: (count: number) => void) => Promise<unknown>> = {
  'for await': async (conn, note) => {
    for await (const chunk of conn) {
      note((chunk as Buffer).length);
      await sleep(5);
    }
  },
  pipe: (conn, note) => {
    const slow = new Writable({
      highWaterMark: 1000,
      write(chunk: Buffer, _encoding, done) {
        note(chunk.length);
        setTimeout(done, 5);
      },
    });
    conn.pipe(slow);
    return once(conn, 'close');
  },
  'pause and resume': (conn, note) => {
    conn.on('data', (chunk: Buffer) => {
      note(chunk.length);
      conn.pause();
      setTimeout(() => conn.resume(), 5);
    });
    return once(conn, 'close');
  },
  'read, a little at a time': async (conn, note) => {
    while (!conn.destroyed) {
      const chunk = conn.read(10_000) as Buffer | null;
      note(chunk?.length ?? 0);
      await sleep(1);
    }
  },
};

describe('The last words of a peer that is killed', function () {
  this.timeout(60_000);
  const path = scratch();
  let listener: Listener<Conn> | undefined;

  afterEach(async () => {
    for (const conn of listener?.connections ?? []) conn.destroy();
    await listener?.close();
    listener = undefined;
  });

  /** A connection whose peer has written, and then was killed, while nobody read. */
  async function bereft(sharedMemory: boolean, bytes: number): Promise<Conn> {
    const address = socketPath(path('socket'));
    listener = await listen(address, { sharedMemory });
    const accepted = once(listener, 'connection') as Promise<[Conn]>;
    const orders: Orders = { role: 'dial', address, does: 'write', bytes };
    const peer = start(script, [JSON.stringify(orders)], { silent: true });
    const [conn] = await accepted;
    expect(conn.transport).to.equal(sharedMemory ? 'shared-memory' : 'socket');
    while ((await message(peer)) !== 'written');
    const exited = once(peer, 'exit');
    peer.kill('SIGKILL');
    await exited;
    for (let i = 0; i < 50; i++) await nextTurn();
    return conn;
  }

  for (const [name, read] of Object.entries(readers)) {
    it(`all arrive, then ECONNRESET: ${name}`, async () => {
      const conn = await bereft(true, ringful);
      const events = recorded(conn);
      let count = 0;
      await read(conn, length => (count += length)).catch(() => {});
      if (!events.includes('close true')) await once(conn, 'close');
      expect(count).to.equal(ringful);
      expect(events).to.deep.equal(['error ECONNRESET', 'close true']);
    });

    it(`all arrive, though a write fails meanwhile: ${name}`, async () => {
      const conn = await bereft(true, ringful);
      const events = recorded(conn);
      let count = 0;
      const counts: number[] = [];
      for (const text of ['one', 'two']) {
        conn.write(text, error => {
          expect(error).to.be.instanceOf(Error);
          counts.push(count);
        });
      }
      for (let i = 0; i < 10; i++) await nextTurn();
      expect(conn.destroyed).to.equal(false);
      await read(conn, length => (count += length)).catch(() => {});
      if (!events.includes('close true')) await once(conn, 'close');
      while (counts.length < 2) await nextTurn();
      expect([count, ...counts]).to.deep.equal([ringful, ringful, ringful]);
      expect(events).to.deep.equal(['error ECONNRESET', 'close true']);
    });
  }

  it('wait for a reader that never comes, and go with it', async () => {
    const conn = await bereft(true, ringful);
    const events = recorded(conn);
    conn.pause();
    await sleep(100);
    expect([events, conn.destroyed]).to.deep.equal([[], false]);
    conn.destroy(new Error('enough'));
    expect(conn.destroyed).to.equal(true);
    while (events.length < 2) await nextTurn();
    expect(events).to.deep.equal(['error undefined', 'close true']);
  });

  it('over the socket they arrive as of a net.Socket', async () => {
    const conn = await bereft(false, socketful);
    let count = 0;
    conn.on('error', () => {});
    await readers['pause and resume']!(conn, length => (count += length));
    expect(count).to.equal(socketful);
  });
});
