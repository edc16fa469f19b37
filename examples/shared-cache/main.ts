/*
 * An HTTP cluster whose workers share a cache: one keeps the values, the others serve them,
 * ask it for what they do not have, and are notified of changes. Under load, once over
 * the bus and once by process.send through the primary.
 *
 *   node dist/examples/shared-cache/main.js [--seconds 5] [--port 8080]
 */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import Table from 'cli-table3';
import { busMessenger, relay, relayMessenger } from './messenger.js';
import { type Counts, work } from './worker.js';

const workers = 3; // one leads, two serve
const keys = 100;
/** One in this many requests changes a value. */
const putEvery = 20;

const ways = ['bus', 'process.send'] as const;
type Way = (typeof ways)[number];

if (cluster.isPrimary) await main();
else {
  const way = process.env.WAY as Way;
  const messenger = way === 'bus' ? await busMessenger(workers) : relayMessenger();
  work(messenger, Number(process.env.PORT));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '5' },
      port: { type: 'string', default: '8080' },
    },
  });
  const table = new Table({
    head: ['by', 'requests/s', 'p99 of a request', 'hits', 'stale hits', 'p50 and p99 of news'],
  });
  // Worker ids are never used again, and the leader is worker 1: each way has a cluster of its own.
  const way = process.env.WAY as Way | undefined;
  if (way === undefined) {
    const { fork } = await import('node:child_process');
    for (const each of ways) {
      const child = fork(process.argv[1]!, process.argv.slice(2), {
        env: { ...process.env, WAY: each },
      });
      const ended = once(child, 'exit').then(([code]) => {
        throw new Error(`the cluster of ${each} ended with ${code}`);
      });
      const [row] = (await Promise.race([once(child, 'message'), ended])) as [string[]];
      table.push(row);
      await ended.catch(() => {});
    }
    console.log(table.toString());
    return;
  }
  process.send!(await measure(way, Number(values.seconds), values.port));
  process.disconnect();
}

async function measure(way: Way, seconds: number, port: string): Promise<string[]> {
  const all = Array.from({ length: workers }, () => cluster.fork({ WAY: way, PORT: port }));
  cluster.on('exit', (worker, code) => {
    if (code !== 0) throw new Error(`worker ${worker.id} ended with ${code}`);
  });
  if (way === 'process.send') relay(all);
  await Promise.all(all.map(worker => told(worker, 'ready')));

  const requests = Array.from({ length: keys * putEvery }, (_, i) => ({
    method: i % putEvery === 0 ? ('PUT' as const) : ('GET' as const),
    path: `/key${(i * 7) % keys}`,
  }));
  const result = await autocannon({
    url: `http://localhost:${port}`,
    connections: 20,
    duration: seconds,
    requests,
  });
  const counts = await Promise.all(
    all.slice(1).map(worker => {
      worker.send('counts');
      return told(worker, 'counts') as Promise<Counts>;
    }),
  );
  await new Promise<void>(resolve => cluster.disconnect(resolve));
  if (result.errors > 0 || result.non2xx > 0) {
    throw new Error(`${result.errors} requests failed, ${result.non2xx} were refused`);
  }

  const sum = (name: 'hits' | 'misses' | 'stale') =>
    counts.reduce((total, one) => total + one[name], 0);
  const delays = counts.flatMap(one => one.delays).sort((a, b) => a - b);
  const quantile = (q: number) => delays[Math.floor(q * delays.length)] ?? 0;
  const [hits, misses, stale] = [sum('hits'), sum('misses'), sum('stale')];
  return [
    way,
    result.requests.average.toFixed(0),
    `${result.latency.p99.toFixed(0)} ms`,
    `${((100 * hits) / (hits + misses)).toFixed(1)} %`,
    `${stale} of ${hits}`,
    `${quantile(0.5).toFixed(2)} ms, ${quantile(0.99).toFixed(2)} ms`,
  ];
}

/** What a worker says under that name, among messages for others. */
function told(worker: Worker, name: string): Promise<unknown> {
  return new Promise(resolve => {
    // Not by once(): of two that come together it would get only the first.
    const listener = (message: Record<string, unknown>) => {
      if (message[name] === undefined) return;
      worker.off('message', listener);
      resolve(message[name]);
    };
    worker.on('message', listener);
  });
}
