// Clusters that use packages which call process.send. Run as `packages-app.js NAME`; prints as JSON
// what the package gave.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const [, , name] = process.argv as unknown as [string, string, keyof typeof apps];
const count = 3;
const result = (value: unknown) => console.log(JSON.stringify(value));

/** Three workers, each of which has said that it is ready; `done` when all have said so. */
async function workers() {
  const all = Array.from({ length: count }, () => cluster.fork());
  const said = (word: string) =>
    Promise.all(
      all.map(
        worker =>
          new Promise<unknown[]>(resolve => {
            worker.on('message', (message: { word?: string; values?: unknown[] }) => {
              if (message.word === word) resolve(message.values!);
            });
          }),
      ),
    );
  const done = said('done');
  await said('ready');
  return { all, done };
}

const say = (word: string, ...values: unknown[]) => process.send!({ word, values });
const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds));

const apps = {
  async 'prom-client'() {
    const { AggregatorRegistry, Counter, Histogram } = (await import('prom-client')).default;
    if (cluster.isPrimary) {
      const registry = new AggregatorRegistry();
      const { all } = await workers();
      const seen = new Set<string>();
      for (let i = 0; i < 60; i++) seen.add(await registry.clusterMetrics());
      result([...seen]);
      for (const worker of all) worker.kill();
    } else {
      new AggregatorRegistry();
      new Counter({ name: 'calls', help: 'h', labelNames: ['w'] }).inc(
        { w: 'x' },
        cluster.worker!.id,
      );
      new Histogram({ name: 'times', help: 'h', buckets: [1, 2] }).observe(cluster.worker!.id);
      say('ready');
    }
  },

  async 'rate-limiter-flexible'() {
    const { RateLimiterCluster, RateLimiterClusterMaster } = (await import('rate-limiter-flexible'))
      .default;
    if (cluster.isPrimary) {
      new RateLimiterClusterMaster();
      const { all, done } = await workers();
      const counts = (await done) as [number, number][];
      result(counts.reduce(([a, b], [c, d]) => [a + c, b + d]));
      for (const worker of all) worker.kill();
    } else {
      const options = { keyPrefix: 'test', points: 100, duration: 600, timeoutMs: 20_000 };
      const limiter = new RateLimiterCluster(options);
      say('ready');
      const counts = [0, 0];
      for (let i = 0; i < 60; i++) {
        await limiter.consume('key').then(
          () => counts[0]!++,
          () => counts[1]!++,
        );
      }
      say('done', ...counts);
    }
  },

  async log4js() {
    const { default: log4js } = await import('log4js');
    const recorded: string[] = [];
    const appender = {
      configure: () => (event: { data: unknown[]; categoryName: string }) =>
        recorded.push(`${event.categoryName} ${event.data.map(String).join(' ')}`),
    };
    log4js.configure({
      appenders: { recording: { type: appender } },
      categories: { default: { appenders: ['recording'], level: 'info' } },
    });
    if (cluster.isPrimary) {
      const { all, done } = await workers();
      await done;
      while (recorded.length < count * 200) await pause(10);
      const byWorker = all.map(({ id }) => recorded.filter(line => line.startsWith(`w${id} `)));
      result(byWorker);
      for (const worker of all) worker.kill();
    } else {
      say('ready');
      const logger = log4js.getLogger(`w${cluster.worker!.id}`);
      for (let i = 0; i < 200; i++) {
        logger.info('line', i, new Error('an error').message);
        if (i % 10 === 0) await pause(10);
      }
      say('done');
    }
  },

  async '@socket.io/cluster-adapter'() {
    const { createAdapter, setupPrimary } = await import('@socket.io/cluster-adapter');
    if (cluster.isPrimary) {
      setupPrimary();
      const { all, done } = await workers();
      for (const worker of all) worker.send('go');
      result(await done);
      for (const worker of all) worker.kill();
    } else {
      const { Server } = await import('socket.io');
      const { io } = await import('socket.io-client');
      const id = cluster.worker!.id;
      const http = createServer();
      const server = new Server(http);
      server.adapter(createAdapter());
      http.listen({ port: 0, host: '127.0.0.1', exclusive: true });
      await once(http, 'listening');
      const joined = new Promise<void>(resolve => {
        server.on('connection', socket => {
          void socket.join([`room ${id}`, 'all']);
          resolve();
        });
      });
      server.on('ask', (question: string, answer: (value: string) => void) =>
        answer(`${question} ${id}`),
      );
      const client = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
        transports: ['websocket'],
      });
      const got: string[] = [];
      client.onAny((event: string, ...values: unknown[]) => got.push(`${event} ${values.join()}`));
      await Promise.all([once(client as never, 'connect'), joined]);
      const go = new Promise<void>(resolve => {
        process.on('message', message => message === 'go' && resolve());
      });
      say('ready');
      await go;
      // The adapter's own greetings come before anybody can be counted on.
      while ((await server.serverSideEmitWithAck('ask', 'who')).length < count - 1) await pause(20);
      const sockets = await server.in('all').fetchSockets();
      for (let i = 0; i < 50; i++) {
        server.emit('everybody', id, i);
        server.to(`room ${(id % count) + 1}`).emit('one', id, i);
      }
      while (got.length < count * 50 + 50) await pause(10);
      const answers = (await server.serverSideEmitWithAck('ask', 'again')) as string[];
      say('done', sockets.length, got.sort(), answers.sort());
    }
  },
};

await apps[name]();
