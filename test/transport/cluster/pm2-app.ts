// Run by PM2 in cluster mode: on the bus of its cluster, as is a thread of it, and on one shared by all.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Bus } from '../../../src/index.js';
import { clusterBus } from '../../../src/transport/cluster/index.js';

const own = await clusterBus();
own.onRequest(value => value);

const index = new URL('../../../src/transport/cluster/index.js', import.meta.url).href;
const thread = new Worker(
  `import(${JSON.stringify(index)}).then(async ({ clusterBus }) => {
    const bus = await clusterBus();
    bus.ref().onRequest(value => value);
    require('node:worker_threads').parentPort.postMessage(bus.id);
  })`,
  { eval: true },
);
await once(thread, 'message');

const bus = await Bus.join(process.env.BUS_NAME!, { id: `pm2 ${own.id}` });
bus.onRequest(async request => {
  const { does, to } = request as { does: 'peers' | 'fellows' | 'ask'; to?: string };
  if (does === 'peers') return [...bus.peers].sort();
  if (does === 'ask') return bus.request(to!, { does: 'echo', value: bus.id });
  // Over the other bus, on which only PM2's workers are.
  return Promise.all(
    [...own.peers].sort().map(id => own.request(id, `${id} through PM2's cluster`)),
  );
});

// As PM2 asks for: leave before it kills.
process.once('SIGINT', () => {
  void Promise.all([own.close(), bus.close()]).then(() => process.exit());
});
