// A cluster on one bus with threads of its processes. The primary does what its first argument says,
// and prints what every peer sees, as JSON.
import cluster, { type ClusterSettings, type Worker as ClusterWorker } from 'node:cluster';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Bus } from '../../../src/index.js';

const plan = process.argv[2] ?? '';
const script = import.meta.filename;

/** Loads the module only here: what the main thread tells its threads depends on when it does. */
async function join(): Promise<Bus> {
  const { clusterBus } = await import('../../../src/transport/cluster/index.js');
  const bus = await clusterBus();
  if ((await clusterBus()) !== bus) throw new Error('a second call gave another bus');
  bus.onRequest(() => [...bus.peers].sort());
  return bus;
}

/** A thread that is on the bus; with `depth` more, one in another. */
async function thread(depth = 0): Promise<Worker> {
  // Nothing of its process but where the buses are, and which addon to load.
  // A variable that is undefined would be the text 'undefined' there.
  const { MMAP_TRANSPORT_DIR, PREBUILDS_ONLY } = process.env;
  const env = { MMAP_TRANSPORT_DIR, ...(PREBUILDS_ONLY && { PREBUILDS_ONLY }) };
  const worker = new Worker(script, { workerData: depth, argv: [plan], env });
  await once(worker, 'message');
  return worker;
}

/** What each of so many peers sees, once all have come. */
async function seen(bus: Bus, count: number): Promise<Record<string, unknown>> {
  while (bus.peers.size < count) await once(bus, 'join');
  const all: Record<string, unknown> = { [bus.id]: [...bus.peers].sort() };
  for (const id of bus.peers) {
    let peers: unknown[];
    do peers = (await bus.request(id, 'who is there?')) as unknown[];
    while (peers.length < count);
    all[id] = peers;
  }
  return all;
}

async function workerJoined(env = {}): Promise<ClusterWorker> {
  const worker = cluster.fork(env);
  await once(worker, 'message');
  return worker;
}

/** Node's own types do not know it. */
function setExecPath(execPath: string): void {
  const settings: ClusterSettings & { execPath: string } = { execPath };
  cluster.setupPrimary(settings);
}

const plans: Record<string, () => Promise<unknown>> = {
  /** The main threads have joined before their threads. */
  async threads() {
    const bus = await join();
    await thread(1);
    await workerJoined();
    return seen(bus, 4);
  },
  /** Only threads load the module; and the primary, after its thread has. */
  async late() {
    await thread();
    await workerJoined();
    return seen(await join(), 2);
  },
  /** Workers are started by a shell script, one with a thread. */
  async wrapped() {
    const bus = await join();
    await workerJoined();
    setExecPath(process.argv[3]!);
    await workerJoined();
    return seen(bus, 3);
  },
  /** A worker starts the primary of another cluster, which has workers with the same ids. */
  async nested() {
    const bus = await join();
    const [inner] = (await once(cluster.fork(), 'message')) as [unknown];
    return { outer: await seen(bus, 1), inner };
  },
  async inner() {
    setExecPath(process.argv[3]!);
    await workerJoined();
    return seen(await join(), 2);
  },
};

async function work(): Promise<void> {
  if (plan === 'nested') {
    await join();
    const child = fork(script, ['inner', process.argv[3]!]);
    process.send!((await once(child, 'message'))[0]);
    return;
  }
  if (plan !== 'late') await join();
  if (plan !== 'wrapped' || cluster.worker!.id === 2) await thread();
  process.send!('joined');
}

if (!isMainThread) {
  const bus = await join();
  bus.ref();
  if (workerData) await thread((workerData as number) - 1);
  parentPort!.postMessage(bus.id);
} else if (cluster.isPrimary) {
  const result = await plans[plan]!();
  if (process.send) process.send(result, () => process.exit());
  else console.log(JSON.stringify(result));
  for (const worker of Object.values(cluster.workers ?? {})) worker!.process.kill('SIGKILL');
  process.exitCode = 0;
  setImmediate(() => process.exit());
} else {
  await work();
}
