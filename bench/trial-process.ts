// The measuring process of one trial: plays the sender, starts the receiver, and prints
// the outcome as one line of JSON.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { bind } from './cores.js';
import { measure } from './measure.js';
import { Outgoing } from './messages.js';
import type { PeerOrder } from './peer.js';
import { pairTransport } from './transports/registry.js';
import type { Peer, SenderContext } from './transports/transport.js';
import type { Trial } from './trial.js';

/** What the bench passes as the only argument. */
export interface TrialOrder {
  readonly trial: Trial;
  /** For sockets. */
  readonly directory: string;
}

const { trial, directory } = JSON.parse(process.argv[2]!) as TrialOrder;
const peerScript = fileURLToPath(new URL('./peer.js', import.meta.url));
let peer: Peer | undefined;
let closing = false;

async function start(
  handover: unknown,
  serialization: 'json' | 'advanced' = 'json',
): Promise<Peer> {
  const order: PeerOrder = { trial, handover };
  peer =
    trial.place === 'process'
      ? { process: fork(peerScript, [JSON.stringify(order)], { serialization }) }
      : { thread: new Worker(peerScript, { workerData: order }) };
  const emitter = peer.process ?? peer.thread!;
  emitter.on('error', fail);
  emitter.on('exit', (code: number | null) => {
    if (!closing || (peer!.process && code !== 0)) fail(new Error('the receiver went away'));
  });
  await once(emitter, 'message');
  if (trial.cores) {
    // Not before: a thread inherits the core of the one that starts it.
    bind(process.pid, trial.cores[0]);
    if (peer.process) bind(peer.process.pid!, trial.cores[1]);
  }
  return peer;
}

function fail(error: Error): never {
  console.error(error.message);
  process.exit(1);
}

const context: SenderContext = { trial, directory, outgoing: new Outgoing(trial.size), start };
try {
  const sender = await pairTransport(trial.transport).send(context);
  const outcome = await measure(trial, sender);
  closing = true;
  const ended = once(peer!.process ?? peer!.thread!, 'exit');
  sender.close();
  if (peer!.process?.connected) peer!.process.disconnect();
  await ended;
  console.log(JSON.stringify(outcome));
} catch (error) {
  fail(error as Error);
}
