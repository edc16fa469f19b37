import { type Subscription, Topic, type TopicHandle } from '../../../src/index.js';
import { random } from '../../support/traffic.js';

const [handle, seed] = process.argv.slice(2) as [string, string];
const readers = 256;
const next = random(Number(seed));
const topic = Topic.open<number>(JSON.parse(handle) as TopicHandle);

const there: Subscription<number>[] = [];
let sum = 0;
let count = 0;

function join(): void {
  const subscription = topic.subscribe({ wait: { spin: 0 } });
  subscription.on('message', value => {
    sum += value;
    if (++count === readers * 10) process.send!(sum);
  });
  there.push(subscription);
}

for (let i = 0; i < 300; i++) {
  if (there.length > 0 && (there.length === 200 || next(2) === 0)) {
    there.splice(next(there.length), 1)[0]!.close();
  } else {
    join();
  }
  if (i % 50 === 0) await new Promise(resolve => setImmediate(resolve));
}
while (there.length < readers) join();
await new Promise(resolve => setImmediate(resolve));
process.send!('ready');
process.on('message', () => {
  topic.close();
  process.disconnect();
});
