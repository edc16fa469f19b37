import { Topic, type TopicHandle } from '../../../src/index.js';

const [what, argument] = process.argv.slice(2) as [string, string];
const handle = () => JSON.parse(argument) as TopicHandle;

switch (what) {
  case 'publish': {
    const topic = Topic.create<number>(argument, { capacity: 4096 });
    topic.publishBatch([0, 1, 2]);
    process.send!('ready');
    break;
  }
  case 'keep': {
    Topic.create<number>('kept', { path: argument, capacity: 4096 }).publishBatch([0, 1, 2]);
    process.send!('ready');
    break;
  }
  case 'hold':
    Topic.open(handle()).subscribe({ whenBehind: 'wait' });
    process.send!('ready');
    break;
  case 'sum': {
    const subscription = Topic.open<number>(handle()).subscribe({ wait: { spin: 0 } });
    process.send!('ready');
    let sum = 0;
    for await (const value of subscription) {
      if (value < 0) break;
      sum += value;
    }
    process.send!(sum);
    process.exit();
  }
}

// Its parent ends it.
process.on('message', () => {});
