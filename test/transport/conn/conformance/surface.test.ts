import { once } from 'node:events';
import { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Conn, dial, listen } from '../../../../src/index.js';
import { rejected } from '../../../support/errors.js';
import { socketPath } from '../../../support/platform.js';
import { closed, overEach, readBytes, recorded, written } from '../conn-pairs.js';

const code = (error: unknown) => (error as NodeJS.ErrnoException | null)?.code;

/** What a call throws: its class and code. */
function failure(call: () => unknown): string {
  try {
    call();
    return 'none';
  } catch (error) {
    return `${(error as Error).name} ${code(error)}`;
  }
}

overEach('The members of a socket', backing => {
  it('refuse wrong arguments as net.Socket does', async () => {
    const { client } = await backing.pair();
    client.on('error', () => {});
    const types = 'TypeError ERR_INVALID_ARG_TYPE';
    const range = 'RangeError ERR_OUT_OF_RANGE';
    for (const [wrong, expected] of [
      ['100', types],
      [null, types],
      [undefined, types],
      [{}, types],
      [Infinity, range],
      [Number.NaN, range],
      [-1, range],
    ] as [never, string][]) {
      expect(failure(() => client.setTimeout(wrong))).to.equal(expected);
    }
    expect(failure(() => client.setTimeout(10, 'soon' as never))).to.equal(types);
    for (const wrong of [undefined, 5, {}] as never[]) {
      expect(failure(() => client.write(wrong))).to.equal(types);
    }
    expect(failure(() => client.write(null))).to.equal('TypeError ERR_STREAM_NULL_VALUES');
    expect(client.destroyed).to.equal(false);
  });

  it('wait as long as a timer can where they are told to wait longer, with a warning', async () => {
    const { client } = await backing.pair();
    const warned = once(process, 'warning') as Promise<[Error]>;
    client.setTimeout(2 ** 31);
    expect(client.timeout).to.equal(2 ** 31);
    expect((await warned)[0].name).to.equal('TimeoutOverflowWarning');
    client.setTimeout(0);
  });

  it('say where it stands, open and destroyed', async () => {
    const { client, server } = await backing.pair();
    const state = () => [client.connecting, client.pending, client.readyState, client.closed];
    expect(state()).to.deep.equal([false, false, 'open', false]);
    server.pause();
    client.write(Buffer.alloc(20_000_000));
    expect(client.bufferSize).to.equal(client.writableLength);
    expect(client.bufferSize).to.be.above(0);
    for (const self of [client.setNoDelay(), client.setKeepAlive(true, 1000), client.setTimeout(0)])
      expect(self).to.equal(client);
    expect([client.ref(), client.unref().ref()]).to.deep.equal([client, client]);
    client.destroy();
    client.on('error', () => {});
    server.on('error', () => {});
    expect(state()).to.deep.equal([false, true, 'closed', true]);
    const late = await rejected(written(client, 'late'));
    expect(late.code).to.equal('ERR_STREAM_DESTROYED');
    expect(client.setTimeout('never' as never)).to.equal(client);
  });

  it('have no listeners of their own that a user could remove or count', async () => {
    const { client, server } = await backing.pair();
    if (client instanceof Conn) {
      expect([...client.eventNames(), ...server.eventNames()]).to.deep.equal([]);
    }
    for (const end of [client, server]) end.removeAllListeners();
    client.write('works');
    expect(String(await readBytes(server, 5))).to.equal('works');
    const gone = [closed(client), closed(server)];
    client.write('last');
    client.destroySoon();
    client.removeAllListeners('finish');
    expect(String(await readBytes(server, 4))).to.equal('last');
    server.resume();
    if (client instanceof Conn) await Promise.all(gone);
  });

  it('write after the peer has ended: EPIPE, an error event only while it lives', async () => {
    for (const when of ['in the end', 'later'] as const) {
      const { client, server } = await backing.pair();
      const events = recorded(client);
      const failed = new Promise(resolve => {
        const write = () => {
          expect(client.write('x', error => resolve(code(error)))).to.equal(false);
        };
        client.once('end', () => (when === 'later' ? client.once('close', write) : write()));
      });
      server.on('error', () => {});
      server.resume().end();
      client.resume();
      if (when === 'in the end') client.end();
      expect(await failed).to.equal('EPIPE');
      if (when === 'in the end' && !client.closed) await closed(client);
      for (let i = 0; i < 5; i++) await nextTurn();
      expect(events.includes('error EPIPE')).to.equal(when === 'in the end');
    }
  });

  it('can be disposed of', async () => {
    const { client, server } = await backing.pair();
    server.resume();
    const gone = closed(client);
    client.on('error', () => {});
    await client[Symbol.asyncDispose]();
    await gone;
    expect(client.destroyed).to.equal(true);
  });
});

describe('The members of a Conn', () => {
  /** Node's own business, `connect` (a Conn is connected), and a field of the IP header. */
  const left = /^(_.*|connect|[gs]etTypeOfService|server)$/;

  it('are those of net.Socket', async () => {
    const listener = await listen(socketPath('members'), conn => conn.resume());
    const conn = await dial(listener.address() as string);
    const missing = new Set<string>();
    const names = (object: object) => Object.getOwnPropertyNames(object);
    for (const name of [...names(Socket.prototype), ...names(new Socket())]) {
      if (!(name in conn) && !left.test(name)) missing.add(name);
    }
    expect([...missing]).to.deep.equal([]);
    conn.destroy();
    await listener.close();
  });

  it('take a high-water mark, and refuse what is none before they connect', async () => {
    const path = socketPath('mark');
    const listener = await listen(path, { highWaterMark: 1000 });
    const accepted = once(listener, 'connection') as Promise<[Conn]>;
    const conn = await dial(path, { highWaterMark: 0 });
    const [server] = await accepted;
    for (const [end, mark] of [
      [conn, 0],
      [server, 1000],
    ] as const) {
      expect([end.readableHighWaterMark, end.writableHighWaterMark]).to.deep.equal([mark, mark]);
    }
    server.end('all the same');
    expect(String(await readBytes(conn, 12))).to.equal('all the same');
    conn.destroy();
    await listener.close();
    for (const [wrong, expected] of [
      ['1', 'ERR_INVALID_ARG'],
      [null, 'ERR_INVALID_ARG'],
      [-1, 'ERR_OUT_OF_RANGE'],
      [0.5, 'ERR_OUT_OF_RANGE'],
    ] as [never, string][]) {
      const options = { highWaterMark: wrong };
      expect((await rejected(dial('/nowhere', options))).code).to.equal(expected);
      expect((await rejected(listen('/nowhere/at-all', options))).code).to.equal(expected);
    }
  });

  for (const sharedMemory of [true, false]) {
    const over = sharedMemory ? 'shared memory' : 'the socket';
    it(`pause on connect: nothing is read before resume, over ${over}`, async () => {
      const path = socketPath(`paused-${sharedMemory}`);
      const listener = await listen(path, { pauseOnConnect: true, sharedMemory });
      const accepted = once(listener, 'connection') as Promise<[Conn]>;
      const conn = await dial(path);
      const [server] = await accepted;
      let text = '';
      server.on('data', chunk => (text += String(chunk)));
      conn.end('early');
      for (let i = 0; i < 30; i++) await nextTurn();
      expect([server.isPaused(), server.bytesRead, text]).to.deep.equal([true, 0, '']);
      server.resume();
      await once(server, 'end');
      expect(text).to.equal('early');
      conn.resume();
      await listener.close();
    });

    it(`closing a listener needs no listener of theirs, over ${over}`, async () => {
      const path = socketPath(`removed-${sharedMemory}`);
      const listener = await listen(path, { sharedMemory }, conn => {
        conn.removeAllListeners();
        conn.resume();
      });
      const controller = new AbortController();
      const conn = await dial(path, { signal: controller.signal });
      conn.removeAllListeners();
      conn.resume().end('bye');
      listener.removeAllListeners('close');
      const closing = listener.close();
      listener.removeAllListeners('close');
      await closing;
      expect(listener.connections.size).to.equal(0);
      if (!conn.closed) await once(conn, 'close');
      controller.abort(); // of a connection that has closed
    });
  }

  it('see a signal that has aborted since they connected', async () => {
    const path = socketPath('aborted');
    const listener = await listen(path, conn => conn.resume());
    const controller = new AbortController();
    const conn = await dial(path, { signal: controller.signal });
    conn.removeAllListeners();
    const reason = new Error('stop');
    controller.abort(reason);
    expect(conn.errored).to.equal(reason);
    expect((await once(conn, 'error'))[0]).to.equal(reason);
    await listener.close();
  });
});
