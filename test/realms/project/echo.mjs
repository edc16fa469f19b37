import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Channel } from 'mmap-transport';

const script = fileURLToPath(new URL('./peer.mjs', import.meta.url));

/** Sends values to a peer, which sends them back. `made` may do something once it listens. */
export async function echo(kind, codec, values, made = () => {}) {
  const channel = Channel.create({ codec });
  const orders = { handle: channel.handle, codec };
  const peer =
    kind === 'thread'
      ? new Worker(script, { workerData: orders, execArgv: [] })
      : fork(script, { execArgv: [], env: { ...process.env, NODE_OPTIONS: '' } });
  if (kind === 'process') peer.send(orders);
  const received = [];
  const all = new Promise((resolve, reject) => {
    channel.on('message', value => received.push(value) === values.length && resolve());
    channel.on('error', reject);
    peer.on('error', reject);
  });
  made();
  for (const value of values) if (!channel.send(value)) throw new Error('the channel is full');
  await all;
  const gone = once(peer, 'exit');
  await channel.close();
  if (kind === 'process') peer.kill();
  else await peer.terminate();
  await gone;
  return received;
}
