// The other end of a channel that carries long messages: does what its orders say.
import { once } from 'node:events';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Channel, type ChannelHandle, type CodecOption, dialChannel } from '../../../src/index.js';
import { digest, make, type What } from './any-size-values.js';

export interface Orders {
  /** Its handle, or where to dial it. */
  at: ChannelHandle | string;
  codec?: CodecOption<unknown>;
  sharedMemory?: boolean;
  closeTimeout?: number;
  /**
   * `echo`: sends back what comes. `digest`: answers each value by its digest. `send`: sends what is
   * listed, and then ends as `ending` says. `stall`: listens only when it is told to go on.
   */
  does: 'echo' | 'digest' | 'send' | 'stall';
  values?: What[];
  ending?: 'close' | 'exit' | 'exit 1' | 'natural' | 'stay' | 'unref';
}

const tell = (value: unknown) =>
  parentPort ? parentPort.postMessage(value) : process.send!(value);

async function send(channel: Channel, value: unknown): Promise<void> {
  while (!channel.send(value)) await channel.ready();
}

async function run({ at, does, sharedMemory = true, values = [], ...rest }: Orders) {
  const { codec = 'structured', closeTimeout = 20_000 } = rest;
  const options = { codec, closeTimeout };
  const channel =
    typeof at === 'string'
      ? await dialChannel(at, { ...options, sharedMemory })
      : Channel.open(at, options);
  channel.on('error', (error: Error) => tell({ error: (error as NodeJS.ErrnoException).code }));
  tell('open');
  if (does === 'stall') {
    await new Promise(resolve => process.once('message', resolve));
    does = 'digest';
  }
  if (does === 'send') {
    for (const what of values) await send(channel, make(what));
    tell('sent');
    if (rest.ending === 'close') await channel.close();
    else if (rest.ending === 'exit') process.exit();
    else if (rest.ending === 'exit 1') process.exit(1);
    else if (rest.ending === 'unref') channel.unref();
    else if (rest.ending === 'stay') channel.on('message', () => {});
    if (isMainThread) setImmediate(() => process.disconnect());
    return;
  }
  for await (const value of channel) {
    await send(channel, does === 'echo' ? value : digest(value));
  }
  await channel.close();
  if (isMainThread) setImmediate(() => process.disconnect());
}

if (!isMainThread) void run(workerData as Orders);
else if (process.argv[1] === import.meta.filename) {
  void once(process, 'message').then(([orders]) => run(orders as Orders));
}
