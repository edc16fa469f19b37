import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { Bus, dial, dialChannel, listen, listenChannel } from '../../src/index.js';
import { capacity, check, closes, type Operation, OperationTable } from './operation.js';

const table = new OperationTable();
const { add } = table;

const limits = { handshakeTimeout: 3000 };

add({
  name: 'listen',
  act: (_, { path }) => listen(path('socket')),
  ...closes,
});
add({
  name: 'listen: over a socket that was left behind',
  async prepare({ path }) {
    const listener = await listen(path('socket'));
    // A process that is killed leaves its socket: a copy of the name stays here.
    const { linkSync } = await import('node:fs');
    linkSync(path('socket'), path('left'));
    await listener.close();
    return path('left');
  },
  act: (path: string) => listen(path),
  finish: listener => listener.close(),
  dispose: (path: string) => rmSync(path, { force: true }),
  isOnce: true,
});
add({
  name: 'dial: there and back, and both closed',
  async prepare({ path, told }) {
    const listener = await listen(path('socket'), limits, conn => {
      conn.on('error', told).pipe(conn);
    });
    return listener.on('clientError', told).on('error', told);
  },
  async act(_, { path }) {
    const conn = await dial(path('socket'), { timeout: 4000 });
    conn.setTimeout(4000, () => conn.destroy(new Error('nothing came')));
    conn.end('hello');
    check(String(await buffer(conn)) === 'hello', 'other bytes');
    if (!conn.closed) await once(conn, 'close');
  },
  dispose: listener => listener.close(),
});
add({
  name: 'dialChannel: there and back, and both closed',
  async prepare({ path, told }) {
    const listener = await listenChannel<string>(path('socket'), limits, channel => {
      channel.on('error', told).on('message', value => channel.send(`${value}!`));
    });
    return listener.on('clientError', told).on('error', told);
  },
  async act(_, { path }) {
    const channel = await dialChannel<string>(path('socket'), { timeout: 4000 });
    try {
      const answer = new Promise((resolve, reject) => {
        channel.on('message', resolve).on('error', reject).on('end', reject);
      });
      channel.send('word');
      check((await answer) === 'word!', 'another value');
    } finally {
      await channel.close();
    }
  },
  dispose: listener => listener.close(),
});
add({
  name: 'listener.close',
  prepare: ({ path }) => listen(path('socket')),
  act: listener => listener.close(),
  dispose: (_, { path }) => rmSync(path('socket'), { force: true }), // Node does not say that it failed
  isOnce: true,
});

const busOptions = { capacity, closeTimeout: 1000, requestTimeout: 4000 };

add({ name: 'Bus.join: alone', act: () => Bus.join('alone', busOptions), ...closes });
add({
  name: 'Bus.join: with another',
  async prepare({ told }) {
    return (await Bus.join('two', busOptions)).on('error', told);
  },
  async act(_, { told }) {
    return (await Bus.join('two', busOptions)).on('error', told);
  },
  ...closes,
  dispose: bus => bus.close(),
});
add({
  name: 'bus.send and request',
  async prepare({ told }) {
    const here = (await Bus.join<string>('two', { ...busOptions, id: 'a' })).on('error', told);
    const there = (await Bus.join<string>('two', { ...busOptions, id: 'b' })).on('error', told);
    there.onRequest(value => `${value}?`);
    return { here, there };
  },
  async act({ here, there }) {
    const signal = AbortSignal.timeout(6000);
    const arrival = once(there, 'message', { signal });
    arrival.catch(() => {});
    if (!here.send('b', 'word')) {
      await once(here, 'drain', { signal });
      check(here.send('b', 'word'), 'it was full');
    }
    check((await here.request('b', 'word')) === 'word?', 'another answer');
    await arrival;
  },
  async dispose({ here, there }) {
    await Promise.all([here.close(), there.close()]);
  },
  isOnce: true,
});
add({
  name: 'bus.close',
  async prepare({ told }) {
    const here = (await Bus.join<string>('two', { ...busOptions, id: 'a' })).on('error', told);
    const there = (await Bus.join<string>('two', { ...busOptions, id: 'b' })).on('error', told);
    const arrived = once(there, 'message');
    here.send('b', 'word');
    await arrived;
    return { here, there };
  },
  act: ({ here }) => here.close(),
  dispose: ({ there }) => there.close(),
  isOnce: true,
});

export const linkOperations: readonly Operation[] = table.all;
