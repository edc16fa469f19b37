// Installs fake timers and clocks that nobody moves on, and talks to a thread meanwhile.
import assert from 'node:assert';
import { createRequire } from 'node:module';
import { mock } from 'node:test';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { Bus, Channel, type ChannelHandle, type WaitStrategy } from '../../src/index.js';

interface Clock {
  uninstall(): void;
}
interface FakeTimers {
  install(options: { toNotFake?: string[] }): Clock;
}

/** @param ticks whether process.nextTick is fake too, without which `node:net` itself stands still */
function fake(way: string, ticks: boolean): () => void {
  if (way === 'sinon') {
    const load = createRequire(process.argv[3]!);
    const clock = (load('@sinonjs/fake-timers') as FakeTimers).install({
      toNotFake: ticks ? [] : ['nextTick'],
    });
    return () => clock.uninstall();
  }
  const apis = ['setTimeout', 'setInterval', 'setImmediate'];
  const enable = mock.timers.enable.bind(mock.timers) as (options: unknown) => void;
  // Node 20.0 took the list alone.
  enable({ apis: [...apis, 'Date'] });
  return () => mock.timers.reset();
}

async function talk(wait: WaitStrategy): Promise<void> {
  const channel = Channel.create<number>({ wait });
  const peer = new Worker(new URL(import.meta.url), { workerData: channel.handle });
  const count = 2000;
  let received = 0;
  const all = new Promise<void>((resolve, reject) => {
    channel.on('message', value => {
      assert.strictEqual(value, received++);
      if (received === count) resolve();
    });
    channel.on('error', reject);
    peer.on('error', reject);
  });
  for (let i = 0; i < count; i++) {
    while (!channel.send(i)) await channel.ready();
  }
  await all;
  await channel.close();
  await peer.terminate();
}

async function main(): Promise<void> {
  // Real ones end a run that stands still; nothing here waits by them.
  const watchdog = setTimeout(() => assert.fail('nothing came'), 60_000);
  const way = process.argv[2]!;
  let restore = fake(way, true);
  for (const wait of ['park', { spin: 50 }] as const) await talk(wait);
  restore();
  restore = fake(way, false);
  const before = Date.now();
  const one = await Bus.join<string>('fake', { id: 'one' });
  const two = await Bus.join<string>('fake', { id: 'two' });
  two.onRequest(text => `${text} answered`);
  assert.strictEqual(await one.request('two', 'asked'), 'asked answered');
  await Promise.all([one.close(), two.close()]);
  assert.strictEqual(Date.now(), before, 'the clock was not fake');
  restore();
  clearTimeout(watchdog);
  console.log('all came');
}

if (isMainThread) {
  await main();
} else {
  const channel = Channel.open<number>(workerData as ChannelHandle);
  for await (const value of channel) {
    while (!channel.send(value)) await channel.ready();
  }
}
