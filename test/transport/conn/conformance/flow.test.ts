import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { overEach, readAll, readBytes, recorded } from '../conn-pairs.js';

const chunk = Buffer.alloc(10_000, 'x');

/** More than any buffer on the way holds: the sockets', the ring's, the streams'. */
const tooMuch = 50_000_000;

overEach('Flow', backing => {
  it('a stopped reader holds the writer back, in bounded memory, and drain follows', async () => {
    const { client, server } = await backing.pair();
    server.once('data', () => server.pause());
    let accepted = 0;
    // Until `write` returns false and nothing moves any more.
    for (let turns = 0; turns < 10; turns++) {
      while (client.write(chunk)) {
        accepted += chunk.length;
        if (accepted > tooMuch) throw new Error('the writer is never held back');
      }
      accepted += chunk.length;
      await Promise.race([once(client, 'drain'), turn(20)]);
      if (!client.writableNeedDrain) turns = 0;
    }
    expect(client.bytesWritten).to.equal(accepted);
    expect(server.readableLength).to.be.at.most(2 * 65536 + server.readableHighWaterMark);
    const drained = once(client, 'drain');
    server.resume();
    await drained;
    client.end();
    await once(server, 'end');
    expect(server.bytesRead).to.equal(accepted);
  });

  it('a slow reader gets everything', async () => {
    const { client, server } = await backing.pair({ capacity: 8192 });
    client.end(Buffer.alloc(1_000_000, 'y'));
    let count = 0;
    for await (const piece of server) {
      count += (piece as Buffer).length;
      await nextTurn();
    }
    expect(count).to.equal(1_000_000);
  });

  it('write says false where it has to wait, and drain comes once', async () => {
    const { client, server } = await backing.pair();
    const events = recorded(client);
    expect(client.write(Buffer.alloc(5_000_000))).to.equal(false);
    expect(client.writableNeedDrain).to.equal(true);
    server.resume();
    await once(client, 'drain');
    expect(client.write('more')).to.equal(true);
    client.end();
    await once(server, 'end');
    expect(events.filter(name => name === 'drain')).to.have.length(1);
  });

  it('pause and resume lose and repeat nothing', async () => {
    const { client, server } = await backing.pair({ capacity: 16384 });
    let seen = 0;
    server.on('data', (bytes: Buffer) => {
      for (const byte of bytes) if (byte !== seen++ % 251) throw new Error(`wrong at ${seen}`);
      server.pause();
      setImmediate(() => server.resume());
    });
    const all = Buffer.alloc(500_000, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
    client.end(all);
    await once(server, 'end');
    expect(seen).to.equal(all.length);
  });

  it('read hands out as much as is asked for', async () => {
    const { client, server } = await backing.pair();
    client.write('0123456789');
    await once(server, 'readable');
    expect(String(server.read(4))).to.equal('0123');
    server.unshift(Buffer.from('ab'));
    expect(String(await readBytes(server, 8))).to.equal('ab456789');
    client.end();
    expect((await readAll(server)).length).to.equal(0);
  });
});

function turn(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}
