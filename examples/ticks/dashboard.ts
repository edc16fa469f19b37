// One dashboard: reads the prices at its own pace.
import { setTimeout as delay } from 'node:timers/promises';
import { Topic } from 'mmap-transport';
import type { Tick } from './tick.js';

const [id, pace] = process.argv.slice(2) as [string, 'fast' | 'slow'];

using topic = Topic.open<Tick>('example ticks');
const ticks = topic.subscribe();
let missed = 0;
ticks.on('gap', ({ records = 0 }) => (missed += records));
process.send!('ready');

let seen = 0;
let last: Tick | undefined;
for await (const tick of ticks) {
  seen++;
  last = tick;
  if (pace === 'slow' && seen % 10 === 0) await delay(5); // draws
}
console.log(
  `dashboard ${id}, ${pace}: ${seen} seen, ${missed} missed, last ${last!.price.toFixed(2)}`,
);
process.disconnect();
