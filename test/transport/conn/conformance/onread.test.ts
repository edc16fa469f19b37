import { once } from 'node:events';
import { expect } from 'chai';
import { type Conn, dial, listen, type OnRead } from '../../../../src/index.js';
import { rejected } from '../../../support/errors.js';
import { socketPath } from '../../../support/platform.js';
import { random } from '../../../support/traffic.js';
import { type Connection, overEach } from '../conn-pairs.js';

function noise(length: number): Buffer {
  const next = random(length);
  return Buffer.from(Array.from({ length }, () => next(256)));
}

overEach('onread', backing => {
  it('puts what comes into one and the same memory; the stream gives only the end', async () => {
    const memory = Buffer.alloc(10_000);
    const parts: Buffer[] = [];
    const { client, server } = await backing.pair({
      capacity: 65536,
      onread: {
        buffer: memory,
        callback: (count, buffer) => {
          expect(buffer).to.equal(memory);
          expect(count).to.be.within(1, memory.length);
          parts.push(Buffer.from(buffer.subarray(0, count)));
          return true;
        },
      },
    });
    client.on('data', () => expect.fail('the stream gave data'));
    const bytes = noise(300_000);
    server.end(bytes);
    await once(client, 'end');
    expect(Buffer.concat(parts).equals(bytes)).to.equal(true);
    expect(client.bytesRead).to.equal(bytes.length);
  });

  it('is paused by false and by pause(), until resume()', async () => {
    const parts: Buffer[] = [];
    let wanted = true;
    const pair = await backing.pair({
      capacity: 65536,
      onread: {
        buffer: Buffer.alloc(30_000),
        callback: (count, buffer) => {
          expect(wanted, 'called though paused').to.equal(true);
          wanted = false;
          parts.push(Buffer.from(buffer.subarray(0, count)));
          setImmediate(() => {
            wanted = true;
            client.resume();
          });
          if (parts.length % 2 === 0) return false;
          client.pause();
          return true;
        },
      },
    });
    const client: Connection = pair.client;
    const bytes = noise(200_000);
    pair.server.end(bytes);
    await once(client, 'end');
    expect(Buffer.concat(parts).equals(bytes)).to.equal(true);
    expect(parts.length).to.be.above(6);
  });

  it('asks a function for memory, chunk by chunk', async () => {
    const given: Uint8Array[] = [];
    const parts: Uint8Array[] = [];
    const { client, server } = await backing.pair({
      onread: {
        buffer: () => given[given.push(new Uint8Array(50)) - 1]!,
        callback: (count, buffer) => parts.push(buffer.subarray(0, count)) > 0,
      },
    });
    const bytes = noise(220);
    server.end(bytes);
    await once(client, 'end');
    expect(Buffer.concat(parts).equals(bytes)).to.equal(true);
    expect(new Set(parts.map(part => part.buffer)).size).to.equal(parts.length);
  });

  it('may destroy the connection from the callback', async () => {
    let calls = 0;
    const pair = await backing.pair({
      onread: {
        buffer: Buffer.alloc(4),
        callback: () => {
          calls++;
          pair.client.destroy();
          return true;
        },
      },
    });
    const closed = once(pair.client, 'close');
    pair.server.on('error', () => {});
    pair.server.write('more than fits');
    await closed;
    expect(calls).to.equal(1);
  });
});

describe('onread', () => {
  it('refuses anything else as onread, before it connects', async () => {
    const callback = () => {};
    const wrong = [5, null, {}, { buffer: Buffer.alloc(1) }, { buffer: Buffer.alloc(0), callback }];
    for (const onread of wrong) {
      const options = { onread: onread as OnRead<Conn> };
      expect((await rejected(dial('/nowhere', options))).code).to.equal('ERR_INVALID_ARG');
      expect((await rejected(listen('/nowhere/at-all', options))).code).to.equal('ERR_INVALID_ARG');
    }
  });

  for (const sharedMemory of [true, false]) {
    const over = sharedMemory ? 'shared memory' : 'the socket';
    it(`is an error where the function gives no memory, over ${over}`, async () => {
      const listener = await listen(socketPath(`onread-${sharedMemory}`), { sharedMemory });
      const accepted = once(listener, 'connection') as Promise<[Conn]>;
      const conn = await dial(listener.address() as string, {
        onread: { buffer: () => 'none' as never, callback: () => {} },
      });
      const [server] = await accepted;
      const failed = once(conn, 'error');
      server.on('error', () => {});
      server.write('x');
      expect(((await failed)[0] as NodeJS.ErrnoException).code).to.equal('ERR_INVALID_ARG');
      await listener.close();
    });
  }

  it('serves all connections of a listener, each `this` of its own calls', async () => {
    const buffer = Buffer.alloc(1000);
    const seen = new Map<unknown, string>();
    const listener = await listen(socketPath('onread-listener'), {
      onread: {
        buffer,
        callback(count) {
          seen.set(this, (seen.get(this) ?? '') + buffer.toString('utf8', 0, count));
        },
      },
    });
    const ends: Promise<unknown>[] = [];
    listener.on('connection', conn => ends.push(once(conn, 'end')));
    for (const text of ['one', 'two', 'three'])
      (await dial(listener.address() as string)).end(text);
    while (ends.length < 3) await once(listener, 'connection');
    await Promise.all(ends);
    expect([...seen.values()].sort()).to.deep.equal(['one', 'three', 'two']);
    await listener.close();
  });
});
