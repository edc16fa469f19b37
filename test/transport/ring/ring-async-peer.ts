// The other side of a ring that waits on its event loop, as a process or as a thread.
import { readdirSync } from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Ring, type RingHandle, type WaitStrategy } from '../../../src/index.js';
import { Traffic } from '../../support/traffic.js';

export interface AsyncOrders {
  /**
   * `echo` sends back what it reads; `source` and `sink` are the ends of a line; `park`
   * awaits a record; `attach` takes the role named and does nothing; `idle` parks on many.
   */
  task: 'echo' | 'source' | 'sink' | 'park' | 'attach' | 'idle';
  wait?: WaitStrategy;
  input?: RingHandle;
  output?: RingHandle;
  count?: number;
}

const longest = 1500;
const tell = (value: unknown) =>
  parentPort ? parentPort.postMessage(value) : process.send!(value);

async function run({ task, wait = 'park', input, output, count = 0 }: AsyncOrders): Promise<void> {
  const from = input && Ring.open(input);
  const to = output && Ring.open(output);
  const producer = to?.producer({ wait });
  const consumer = task === 'attach' ? undefined : from?.consumer({ wait });
  if (task === 'attach') from?.consumer();
  switch (task) {
    case 'echo':
      for await (const record of consumer!) await producer!.write(record);
      break;
    case 'source': {
      const traffic = new Traffic(9, longest);
      while (traffic.count < count) await producer!.write(traffic.next());
      break;
    }
    case 'sink': {
      const traffic = new Traffic(9, longest);
      for await (const record of consumer!) traffic.verify(record);
      tell(traffic.count);
      break;
    }
    case 'park':
      // Nothing else keeps this process alive; it reports what it read.
      tell(Buffer.from((await consumer!.read()) ?? []).toString());
      break;
    case 'attach':
      tell('attached');
      setInterval(() => {}, 1000);
      return;
    case 'idle':
      tell(await idle(count));
      process.exit();
  }
  from?.close();
  to?.close();
}

/** Parks on many rings, and measures what a second of that costs. */
async function idle(count: number): Promise<{ cpu: number; bells: number }> {
  for (let i = 0; i < count; i++) {
    const ring = Ring.create({ capacity: 4096 });
    ring.producer();
    void ring.consumer().read();
  }
  const second = () => new Promise(resolve => setTimeout(resolve, 1000));
  await second(); // work left over from making them
  const before = process.cpuUsage();
  await second();
  const { user, system } = process.cpuUsage(before);
  const files = readdirSync(process.env.MMAP_TRANSPORT_DIR!);
  return { cpu: user + system, bells: files.filter(name => name.startsWith('bell-')).length };
}

if (!isMainThread) await run(workerData as AsyncOrders);
else await run(JSON.parse(process.argv[2]!) as AsyncOrders);
