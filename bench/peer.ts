// The receiver of one trial, as a process or as a thread.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Incoming } from './messages.js';
import { pairTransport } from './transports/registry.js';
import type { Trial } from './trial.js';

/** What the sender passes as argument or as workerData. */
export interface PeerOrder {
  readonly trial: Trial;
  readonly handover: unknown;
}

const { trial, handover } = (isMainThread ? JSON.parse(process.argv[2]!) : workerData) as PeerOrder;
pairTransport(trial.transport).receive({
  trial,
  handover,
  incoming: new Incoming(),
  port: parentPort,
  ready: () => (parentPort ? parentPort.postMessage('ready') : process.send!('ready')),
});
