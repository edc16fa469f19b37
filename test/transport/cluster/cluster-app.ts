// A cluster whose workers and primary are on one bus. Its primary does what its one argument
// says, and prints what it saw as JSON.
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Bus } from '../../../src/index.js';
import { clusterBus } from '../../../src/transport/cluster/index.js';

const plan = process.argv[2]!;

async function sees(bus: Bus, count: number): Promise<void> {
  while (bus.peers.size !== count) await Promise.race([once(bus, 'join'), once(bus, 'leave')]);
}

/** Waits for what was told of peers that left: a bus does so after all that they had sent. */
async function allLeft(bus: Bus, left: readonly unknown[], count: number): Promise<void> {
  while (left.length < count) await once(bus, 'leave');
}

const workersOf = () => Object.values(cluster.workers ?? {}) as Worker[];

async function disconnected(): Promise<void> {
  await new Promise<void>(resolve => cluster.disconnect(resolve));
}

/** Workers before the primary's bus and after it; each asks the next one. */
async function mix(): Promise<unknown> {
  cluster.fork();
  cluster.fork();
  const bus = await clusterBus();
  const isSame = (await clusterBus()) === bus;
  cluster.fork();
  await sees(bus, 3);
  const answers = await Promise.all(['1', '2', '3'].map(id => bus.request(id, 'who')));
  await bus.request('1', { ask: '2' });
  const relayed = await bus.request('1', { ask: '2' });
  const left: unknown[] = [];
  bus.on('leave', (id, reason) => left.push([id, reason]));
  await disconnected();
  await allLeft(bus, left, 3);
  return { isSame, answers, relayed, left: left.sort() };
}

/** Workers that are killed and replaced in a loop. */
async function restarts(): Promise<unknown> {
  const bus = await clusterBus();
  const left: string[] = [];
  bus.on('leave', (id, reason) => left.push(`${id} ${reason}`));
  for (let round = 0; round < 5; round++) {
    const worker = cluster.fork();
    await sees(bus, 1);
    await bus.request(String(worker.id), 'who');
    worker.process.kill('SIGKILL');
    await allLeft(bus, left, round + 1);
  }
  return { left };
}

/** Workers that crash before they have joined, while they do and after, beside one that stays. */
async function crashes(): Promise<unknown> {
  const bus = await clusterBus();
  cluster.fork();
  await sees(bus, 1);
  for (const CRASH of ['before', 'while', 'after']) {
    for (let i = 0; i < 3; i++) await once(cluster.fork({ CRASH }), 'exit');
  }
  await sees(bus, 1);
  const answer = await bus.request('1', 'who');
  await disconnected();
  return { answer };
}

/** A worker is disconnected while it joins, and lives on; another one removes our listeners. */
async function leavers(): Promise<unknown> {
  const bus = await clusterBus();
  const left: string[] = [];
  bus.on('leave', (id, reason) => left.push(`${id} ${reason}`));
  const worker = cluster.fork({ LEAVE: 'while' });
  const [told] = (await once(worker, 'message')) as [string];
  const other = cluster.fork({ LEAVE: 'again' });
  const [again] = (await once(other, 'message')) as [unknown];
  await disconnected();
  await allLeft(bus, left, 3);
  return { told, again, left };
}

/** As {@link leavers} asks for. */
async function leaver(): Promise<void> {
  if (process.env.LEAVE === 'while') {
    const joining = clusterBus();
    cluster.worker!.emit('disconnect');
    const bus = await joining;
    if (!bus.closed) await once(bus, 'close');
    return void process.send!('left');
  }
  const bus = await clusterBus();
  bus.removeAllListeners();
  await bus.close();
  const other = await clusterBus();
  process.send!([other === bus, other.closed, [...other.peers]]);
}

/** Nobody has called clusterBus in the primary. */
async function workersOnly(): Promise<unknown> {
  for (let i = 0; i < 3; i++) cluster.fork();
  const told = workersOf().map(worker => once(worker, 'message') as Promise<unknown[]>);
  const answers = (await Promise.all(told)).map(([answer]) => answer);
  await disconnected();
  return { answers };
}

async function work(): Promise<void> {
  const crash = () => process.kill(process.pid, 'SIGKILL');
  const { CRASH } = process.env;
  if (CRASH === 'before') process.exit(1);
  if (process.env.LEAVE) return leaver();
  if (CRASH === 'while') setTimeout(crash, cluster.worker!.id % 3);
  const bus = await clusterBus();
  if (CRASH === 'after') crash();
  bus.onRequest(async request => {
    if (request === 'who') return { id: bus.id, worker: cluster.worker!.id };
    return bus.request((request as { ask: string }).ask, 'who');
  });
  if (plan === 'workersOnly') {
    await sees(bus, 2);
    process.send!([...bus.peers].sort());
  }
}

if (cluster.isPrimary) {
  if (process.argv[3]) cluster.schedulingPolicy = Number(process.argv[3]);
  const plans: Record<string, () => Promise<unknown>> = {
    mix,
    restarts,
    crashes,
    leavers,
    workersOnly,
  };
  console.log(JSON.stringify(await plans[plan]!()));
} else {
  await work();
}
