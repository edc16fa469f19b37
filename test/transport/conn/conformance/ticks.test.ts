import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { closed, overEach, overMemory, readAll, recorded } from '../conn-pairs.js';

/** Long enough for several chunks, short enough for the smallest of the kernel's buffers. */
const several = Buffer.alloc(180_000, 'x');

overEach('Microtasks and ticks', backing => {
  it('run between two chunks that have come already', async () => {
    const { client, server } = await backing.pair({ capacity: 2 ** 20 });
    // A stream may buffer one chunk or two before it waits; some must be left after that.
    const sent = backing.name === overMemory.name ? Buffer.alloc(600_000, 'x') : several;
    server.once('readable', () => {}); // reads a buffer's worth, and no more
    client.end(sent);
    for (let i = 0; i < 20; i++) await nextTurn();
    let pending = 0;
    let chunks = 0;
    server.removeAllListeners('readable');
    const after = new Promise(resolve => server.once('end', resolve));
    // What waits in the stream's own buffer comes in one go, as net has it.
    const buffered = server.readableLength;
    let seen = 0;
    server.on('data', (chunk: Buffer) => {
      seen += chunk.length;
      if (seen <= buffered) return;
      chunks++;
      expect(pending, 'still waiting').to.equal(0);
      pending = 3;
      void (async () => {
        await Promise.resolve();
        pending--;
        await Promise.resolve();
        pending--;
      })();
      process.nextTick(() => process.nextTick(() => pending--));
    });
    server.resume();
    await after;
    expect(seen).to.equal(sent.length);
    expect(chunks).to.be.above(1);
    expect(pending).to.equal(0);
  });

  it("run before 'end': a reply after an await of the last data arrives", async () => {
    for (let i = 0; i < 10; i++) {
      const { client, server } = await backing.pair();
      const events = recorded(server);
      server.on('data', (chunk: Buffer) => {
        void (async () => {
          await Promise.resolve();
          await Promise.resolve();
          server.write(`answer to ${String(chunk)}`);
        })();
      });
      client.end('question');
      expect(String(await readAll(client))).to.equal('answer to question');
      expect(events).to.not.include('error EPIPE');
    }
  });

  it("run before 'close'", async () => {
    const { client, server } = await backing.pair();
    const order: string[] = [];
    client.on('error', () => {});
    server.on('data', () => {
      server.destroy();
      void (async () => {
        for (let i = 0; i < 5; i++) await Promise.resolve();
        order.push('microtasks');
      })();
      process.nextTick(() => process.nextTick(() => order.push('ticks')));
    });
    server.on('close', () => order.push('close'));
    client.write('x');
    await closed(server);
    expect(order.slice(0, 2).sort()).to.deep.equal(['microtasks', 'ticks']);
    expect(order[2]).to.equal('close');
  });

  it('reading never hands out a chunk at once: resume and read return first', async () => {
    const { client, server } = await backing.pair();
    server.pause();
    client.write(several);
    for (let i = 0; i < 20; i++) await nextTurn();
    let inside = true;
    let wrong = false;
    server.on('data', () => (wrong ||= inside));
    server.resume();
    inside = false;
    await once(server, 'data');
    inside = true;
    server.read(0);
    inside = false;
    expect(wrong).to.equal(false);
  });

  it('the loop has its turn while much is read', async () => {
    const { client, server } = await backing.pair({ capacity: 2 ** 24 });
    server.pause();
    client.end(Buffer.alloc(12_000_000));
    for (let i = 0; i < 30; i++) await nextTurn();
    let turns = 0;
    let running = true;
    const count = () => {
      turns++;
      if (running) setImmediate(count);
    };
    server.once('data', count);
    const all = readAll(server);
    server.resume();
    expect((await all).length).to.equal(12_000_000);
    running = false;
    // At most a mebibyte, or 256 chunks, comes in one turn; net takes two, on Windows up to eight.
    const netOnWindows = process.platform === 'win32' && backing.name !== overMemory.name;
    expect(turns).to.be.above(netOnWindows ? 1 : 4);
  });
});

overEach('Listeners run in the context that their connection was made in', backing => {
  it('by either end, whatever else is waiting', async () => {
    const storage = new AsyncLocalStorage<string>();
    const names = ['A', 'B', 'C'];
    const seen: string[] = [];
    const pairs = await Promise.all(
      names.map(name => storage.run(name, async () => ({ name, ...(await backing.pair()) }))),
    );
    const note = (name: string, event: string) => {
      if (storage.getStore() !== name) seen.push(`${name} ${event} ${storage.getStore()}`);
    };
    let count = 0;
    for (const { client, name } of pairs) {
      client.on('data', () => (count++, note(name, 'data')));
      client.on('end', () => note(name, 'end'));
      client.on('close', () => note(name, 'close'));
    }
    await storage.run('other', async () => {
      for (let i = 1; i <= 5; i++) {
        for (const { server } of pairs) server.write('x');
        while (count < 3 * i) await nextTurn();
      }
      const all = pairs.map(({ client }) => closed(client));
      for (const { server } of pairs) server.resume().end();
      await Promise.all(all);
    });
    expect(seen).to.deep.equal([]);
  });
});
