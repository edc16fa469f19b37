import { once } from 'node:events';
import { expect } from 'chai';
import { overEach, readBytes, recorded } from '../conn-pairs.js';

const wait = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds));

overEach('Timeouts', backing => {
  it('come when nothing is carried, again after new traffic, and close nothing', async () => {
    const { client, server } = await backing.pair();
    expect(client.setTimeout(20)).to.equal(client);
    expect(client.timeout).to.equal(20);
    await once(client, 'timeout');
    client.write('ping');
    expect(String(await readBytes(server, 4))).to.equal('ping');
    await once(client, 'timeout');
    server.write('pong');
    expect(String(await readBytes(client, 4))).to.equal('pong');
    await once(client, 'timeout');
    expect(client.readyState).to.equal('open');
  });

  it('are put off by what is read and what is written', async () => {
    const silent = async (writer: 'client' | 'server') => {
      const { client, server } = await backing.pair();
      const events = recorded(client);
      server.resume();
      client.resume();
      client.setTimeout(500);
      const end = performance.now() + 700;
      while (performance.now() < end) {
        (writer === 'client' ? client : server).write('x');
        const before = performance.now();
        await wait(20);
        // Another process had the core for so long that the timer may be right.
        if (performance.now() - before > 250) {
          return console.log(`      not looked at, ${writer} writing: the machine is too busy`);
        }
      }
      expect(events).to.deep.equal([]);
    };
    await Promise.all([silent('client'), silent('server')]);
  });

  it('come also while a write waits for a peer that does not read', async () => {
    const { client, server } = await backing.pair();
    server.pause();
    client.write(Buffer.alloc(30_000_000));
    client.setTimeout(50);
    await once(client, 'timeout');
    expect(client.writableLength).to.be.above(0);
    expect(client.destroyed).to.equal(false);
  });

  it('in the future never come, and none comes after 0', async () => {
    const { client } = await backing.pair();
    const events = recorded(client);
    let called = 0;
    const callback = () => called++;
    client.setTimeout(1, callback);
    client.setTimeout(0, callback);
    client.setTimeout(2 ** 31 - 1);
    await wait(30);
    expect([events, called]).to.deep.equal([[], 0]);
    client.setTimeout(1, callback);
    await once(client, 'timeout');
    await wait(20);
    expect([events, called]).to.deep.equal([['timeout'], 1]);
  });

  it('do not come after the connection closed', async () => {
    const { client, server } = await backing.pair();
    const events = recorded(client);
    client.setTimeout(10);
    server.setTimeout(10);
    client.destroy();
    await once(client, 'close');
    client.setTimeout(5);
    await wait(40);
    expect(events).to.deep.equal(['close false']);
  });

  it('are refused where they are no time', async () => {
    const { client } = await backing.pair();
    for (const nonsense of [-1, Number.NaN, 'soon'] as number[]) {
      expect(() => client.setTimeout(nonsense)).to.throw(/msecs|timeout/);
    }
    expect(() => client.setTimeout(5, 'now' as never)).to.throw(/callback|listener/);
  });
});
