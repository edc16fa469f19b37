import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { catchingUncaught } from '../../../support/uncaught.js';
import { type Connection, type PairOptions, overEach, readAll, recorded } from '../conn-pairs.js';
import { skip } from '../../../native/support.js';

/** The messages of what was thrown into the loop, in order. */
async function surviving(action: () => Promise<void>): Promise<string[]> {
  return (await catchingUncaught(action)).map(error => (error as Error).message);
}

/** Listeners behind one that throws are not called: what happened is looked at instead. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

overEach('A listener that throws, in a process that goes on', backing => {
  /** A throw at the first call, and what the listener was called with. */
  function throwingOnce<T>(message: string): { calls: T[]; listener: (value: T) => void } {
    const calls: T[] = [];
    const listener = (value: T) => {
      calls.push(value);
      if (calls.length === 1) throw new Error(message);
    };
    return { calls, listener };
  }

  it("on 'data' loses nothing: all later data, end and close come", async () => {
    const { client, server } = await backing.pair();
    const events = recorded(server);
    const { calls, listener } = throwingOnce<Buffer>('in data');
    const thrown = await surviving(async () => {
      server.on('data', listener);
      for (const text of ['one', 'two', 'three']) {
        const before = calls.length;
        client.write(text);
        await until(() => calls.length > before);
      }
      client.end();
      client.resume();
      await once(server, 'close');
    });
    expect(thrown).to.deep.equal(['in data']);
    expect(calls.map(String)).to.deep.equal(['one', 'two', 'three']);
    expect(events).to.deep.equal(['end', 'finish', 'close false']);
    expect(server.bytesRead).to.equal(11);
  });

  it("on 'data', of several chunks that have come already", async () => {
    const { client, server } = await backing.pair();
    const { calls, listener } = throwingOnce<Buffer>('in data');
    const bytes = Buffer.alloc(220_000, Buffer.from([...Array(251).keys()]));
    const thrown = await surviving(async () => {
      server.pause();
      client.end(bytes);
      for (let i = 0; i < 20; i++) await nextTurn();
      server.on('data', listener).resume();
      await once(server, 'end');
    });
    expect(thrown).to.deep.equal(['in data']);
    expect(Buffer.concat(calls).equals(bytes)).to.equal(true);
  });

  it("on 'data', having paused, stays paused until it is resumed", async () => {
    const { client, server } = await backing.pair();
    const calls: string[] = [];
    const thrown = await surviving(async () => {
      server.on('data', chunk => {
        calls.push(String(chunk));
        if (calls.length > 1) return;
        server.pause();
        throw new Error('paused');
      });
      client.write('one');
      await until(() => calls.length === 1);
      client.write('two');
      for (let i = 0; i < 20; i++) await nextTurn();
      expect(calls).to.deep.equal(['one']);
      server.resume();
      await until(() => calls.length === 2);
    });
    expect([thrown, calls]).to.deep.equal([['paused'], ['one', 'two']]);
  });

  it('leaves the other connections of the thread alone', async () => {
    const pairs = await Promise.all(Array.from({ length: 8 }, () => backing.pair()));
    const calls = pairs.map(() => 0);
    const thrown = await surviving(async () => {
      pairs.forEach(({ server }, i) =>
        server.on('data', () => {
          calls[i]!++;
          throw new Error(`${i}`);
        }),
      );
      for (const { client } of pairs) client.write('x');
      await until(() => !calls.includes(0));
      for (const { client } of pairs) client.write('y');
      await until(() => !calls.includes(1));
    });
    expect(thrown.length).to.equal(16);
  });

  it("on 'end', on 'readable' and on 'close'", async () => {
    const { client, server } = await backing.pair();
    const events = recorded(server);
    let text = '';
    const thrown = await surviving(async () => {
      server.on('readable', () => {
        for (let chunk; (chunk = server.read() as Buffer | null);) {
          text += String(chunk);
          if (text === 'a') throw new Error('in readable');
        }
      });
      server.once('end', () => {
        throw new Error('in end');
      });
      server.once('close', () => {
        throw new Error('in close');
      });
      client.write('a');
      await until(() => text === 'a');
      client.end('b');
      client.resume();
      // The stream would have ended its other half behind that listener.
      await until(() => events.includes('end') || server.readableEnded);
      server.end();
      await until(() => server.closed);
      for (let i = 0; i < 20; i++) await nextTurn();
    });
    expect(thrown).to.deep.equal(['in readable', 'in end', 'in close']);
    expect(text).to.equal('ab');
    expect(events).to.include('finish');
  });

  for (const where of ['write', 'drain']) {
    it(`in a write's callback or on 'drain', where a write had to wait: ${where}`, async () => {
      const { client, server } = await backing.pair({ capacity: 65536 });
      const fail = () => {
        throw new Error(where);
      };
      const thrown = await surviving(async () => {
        client.write(Buffer.alloc(20_000_000), where === 'write' ? fail : undefined);
        if (where === 'drain') client.once('drain', fail);
        for (let i = 0; i < 10; i++) await nextTurn();
        const all = readAll(server);
        await until(() => !client.writableNeedDrain);
        client.end('more');
        expect((await all).length).to.equal(20_000_004);
      });
      expect(thrown).to.deep.equal([where]);
    });
  }

  it("on 'timeout'", async () => {
    const { client, server } = await backing.pair();
    const thrown = await surviving(async () => {
      let timeouts = 0;
      client.on('timeout', () => {
        timeouts++;
        throw new Error('in timeout');
      });
      client.setTimeout(10);
      await until(() => timeouts === 1);
      server.write('x');
      await once(client, 'data');
      await until(() => timeouts === 2);
    });
    expect(thrown).to.deep.equal(['in timeout', 'in timeout']);
  });

  /** Reads into memory of the test's own, with functions that throw when they are told to. */
  async function readingInto(onread: PairOptions['onread']): Promise<[Connection, string[]]> {
    const { client, server } = await backing.pair({ onread: onread! });
    const events: string[] = [];
    client.on('end', () => events.push('end')).on('close', () => events.push('close'));
    return [server, events];
  }

  it('the callback of onread: what it was called with is read', async () => {
    const parts: string[] = [];
    const thrown = await surviving(async () => {
      const [server, events] = await readingInto({
        buffer: Buffer.alloc(4),
        callback: (count, buffer) => {
          parts.push(Buffer.from(buffer.subarray(0, count)).toString());
          if (parts.length < 3) throw new Error('in onread');
          return true;
        },
      });
      server.end('abcdefghijklmno');
      await until(() => events.length === 2);
    });
    expect(thrown).to.deep.equal(['in onread', 'in onread']);
    expect(parts).to.deep.equal(['abcd', 'efgh', 'ijkl', 'mno']);
  });

  it('the buffer function of onread: it is asked again, and nothing is lost', async function () {
    if (backing.name.startsWith('net')) {
      skip(this, 'net takes no function that throws, and after that uses the old memory');
    }
    let asked = 0;
    let text = '';
    const thrown = await surviving(async () => {
      const [server, events] = await readingInto({
        buffer: () => {
          if (++asked % 2 === 1) throw new Error('in buffer');
          return Buffer.alloc(4);
        },
        callback: (count, buffer) => {
          text += Buffer.from(buffer.subarray(0, count)).toString();
          return true;
        },
      });
      server.end('abcdefghij');
      await until(() => events.length === 2);
    });
    expect(text).to.equal('abcdefghij');
    expect(thrown).to.deep.equal(['in buffer', 'in buffer', 'in buffer']);
  });

  it('may first destroy the connection', async () => {
    const { client, server } = await backing.pair();
    const events = recorded(server);
    const thrown = await surviving(async () => {
      server.on('data', () => {
        server.destroy();
        throw new Error('destroyed');
      });
      client.on('error', () => {});
      client.write(Buffer.alloc(200_000));
      await until(() => events.length > 0);
    });
    expect([thrown, events]).to.deep.equal([['destroyed'], ['close false']]);
  });
});
