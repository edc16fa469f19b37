// One trial in a cluster of its own: its primary, which prints the outcome as one line of
// JSON, and its workers, the first of which may be the one that measures.
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { measure } from './measure.js';
import { Incoming, Outgoing } from './messages.js';
import { isCluster, transport } from './transports/registry.js';
import type { ClusterContext } from './transports/transport.js';
import type { Outcome, Trial } from './trial.js';

/** What a worker tells its primary, apart from the messages that are measured. */
const ready = 'ready';
/** What the primary tells the worker that measures, when all are ready. */
const go = 'go';

const trial = JSON.parse(process.argv[2]!) as Trial;
const found = transport(trial.transport);
if (!isCluster(found)) throw new Error(`${trial.transport} needs no cluster`);
const chosen = found;
const ids = Array.from({ length: chosen.workers }, (_, index) => index + 1);
const measures = chosen.sender === 'worker' ? ids[0]! : undefined;

const context: ClusterContext = {
  trial,
  outgoing: new Outgoing(trial.size, trial.content),
  incoming: new Incoming(),
  receivers: ids.filter(id => id !== measures),
};

async function measureHere(): Promise<Outcome> {
  const sender = await chosen.send(context);
  const outcome = await measure(trial, sender);
  sender.close();
  return outcome;
}

async function lead(): Promise<void> {
  cluster.setupPrimary({ serialization: 'advanced' });
  let closing = false;
  cluster.on('exit', (_, code) => {
    if (closing && code === 0) return;
    console.error('a worker went away');
    process.exit(1);
  });
  const workers = ids.map(() => cluster.fork());
  await Promise.all(workers.map(worker => told(worker, message => message === ready)));
  chosen.attend?.();
  const first = workers[0]!;
  const outcome = measures === undefined ? measureHere() : told(first, isOutcome);
  if (measures !== undefined) first.send(go);
  console.log(JSON.stringify(await outcome));
  closing = true;
  cluster.disconnect();
}

async function work(): Promise<void> {
  if (cluster.worker!.id !== measures) {
    await chosen.receive(context);
    process.send!(ready);
    return;
  }
  process.send!(ready);
  await once(process, 'message'); // go
  process.send!(await measureHere());
}

/** The next message of a worker that is meant. */
function told(worker: Worker, isMeant: (message: unknown) => boolean): Promise<Outcome> {
  return new Promise(resolve => {
    const listener = (message: unknown): void => {
      if (!isMeant(message)) return;
      worker.off('message', listener);
      resolve(message as Outcome);
    };
    worker.on('message', listener);
  });
}

function isOutcome(message: unknown): boolean {
  return (message as Partial<Outcome>).batch !== undefined;
}

await (cluster.isPrimary ? lead() : work());
