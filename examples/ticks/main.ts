// Prices from one process to several dashboards, one of them slow. Each price is written once,
// however many dashboards read it, and the slow one holds up nobody: it is told what it missed.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Topic } from 'mmap-transport';
import type { Tick } from './tick.js';

const dashboards = 3;
const bursts = 100;
const perBurst = 100;

using ticks = Topic.create<Tick>('example ticks', { capacity: 65536 });

const script = fileURLToPath(new URL('dashboard.js', import.meta.url));
const children = Array.from({ length: dashboards }, (_, index) => {
  const isSlow = index === dashboards - 1;
  return fork(script, [String(index + 1), isSlow ? 'slow' : 'fast']);
});
await Promise.all(children.map(child => once(child, 'message')));

let price = 100;
for (let burst = 0; burst < bursts; burst++) {
  for (let i = 0; i < perBurst; i++) {
    price += Math.sin(burst * perBurst + i);
    ticks.publish({ symbol: 'ACME', price });
  }
  await delay(5);
}
const { readers } = ticks.stats();
const behind = Math.max(...readers.map(reader => reader.behind));
console.log(`published ${bursts * perBurst}; the slowest is ${behind > 0 ? '' : 'not '}behind`);
ticks.close(); // the dashboards see the end behind the last price
await Promise.all(children.map(child => once(child, 'exit')));
