// The other end of a channel, as a process or as a thread: does what its orders say.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import {
  Channel,
  type ChannelHandle,
  type CodecOption,
  dialChannel,
  type WaitStrategy,
} from '../../../src/index.js';

export interface Orders {
  /** Its handle, or where to dial it. */
  channel: ChannelHandle | string;
  /** For a dialled one. */
  sharedMemory?: boolean;
  codec?: CodecOption<unknown>;
  wait?: WaitStrategy;
  /**
   * `echo`: sends back what comes. `count`: after `end` reports how many came. `stall`: reads
   * nothing until it is asked to. `idle`: listens, unreferenced, and so ends at once. `loop`:
   * stays.
   */
  does: 'echo' | 'count' | 'stall' | 'idle' | 'loop';
}

const tell = (value: unknown) =>
  parentPort ? parentPort.postMessage(value) : process.send!(value);

async function run({ channel: at, does, sharedMemory, ...rest }: Orders) {
  const { codec = 'structured', wait = 'park' } = rest;
  const options = { codec, wait };
  const channel =
    typeof at === 'string'
      ? await dialChannel(at, { ...options, sharedMemory: sharedMemory ?? true })
      : Channel.open(at, options);
  tell('open');
  if (does === 'idle') {
    channel.on('message', () => {}).unref();
    if (isMainThread) setImmediate(() => process.disconnect());
    return;
  }
  if (does === 'loop') {
    channel.on('message', () => {});
    return;
  }
  if (does === 'stall') await new Promise(resolve => process.once('message', resolve));
  let count = 0;
  for await (const value of channel) {
    count++;
    if (does !== 'echo') continue;
    while (!channel.send(value)) await channel.ready();
  }
  tell(count);
  await channel.close();
  if (isMainThread) setImmediate(() => process.disconnect());
}

if (isMainThread) process.once('message', orders => void run(orders as Orders));
else void run(workerData as Orders);
