/* eslint-disable @typescript-eslint/unbound-method -- the tools are functions */
import { spawn } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { echo, messagesOf, type Scenarios, self } from './scenario-parts.js';

/** Which processes have a channel. */
export const processScenarios: Scenarios = {
  'ways to start a child': {
    async parent({ seen, fork, warm, text }) {
      const env = { ...process.env };
      for (const options of [{ cwd: '/' }, { silent: true }, { detached: true }, { env }]) {
        const child = await warm(options);
        child.send(Object.keys(options));
        seen((await once(child, 'message'))[0], child.stdout === null);
        child.disconnect();
        seen(await once(child, 'exit'));
      }
      // Without the preload there.
      const child = fork({ execArgv: [] }, 'other');
      const got = messagesOf(child);
      for (let at = 0; at < 100; at++) child.send(at);
      child.send('done');
      seen((await got).length);
      seen(await once(child, 'close'));
      try {
        fork({ stdio: ['ipc', 'ipc', 'pipe', 'ipc'] });
      } catch (error) {
        seen(text(error));
      }
    },
    child: echo,
    other() {
      process.on('message', message => {
        self.send(message);
        // Within a listener for what has waited, Node itself fails.
        if (message === 'done') setImmediate(() => process.disconnect());
      });
    },
  },

  'children of children': {
    async parent({ seen, warm }) {
      const child = await warm();
      child.send('go');
      seen((await once(child, 'message'))[0]);
      child.disconnect();
      seen(await once(child, 'exit'));
    },
    async child({ warmed, warm }) {
      await warmed();
      process.once('message', () => {
        void warm({}, 'other').then(async child => {
          child.send('from the middle');
          self.send(((await once(child, 'message')) as [never])[0]);
          child.disconnect();
        });
      });
    },
    other: echo,
  },

  'a child that is not Node': {
    async parent({ seen }) {
      const child = spawn('sh', ['-c', 'exit 3'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
      child.send('x', () => undefined);
      child.on('error', () => undefined);
      seen(await once(child, 'close'));
    },
  },

  'a cluster': {
    async parent({ seen, warmUp, pause }) {
      cluster.setupPrimary({
        exec: fileURLToPath(new URL('./scenario.js', import.meta.url)),
        args: [process.argv[2]!, 'child'],
      });
      for (let at = 0; at < 2; at++) {
        const worker = cluster.fork();
        const events: unknown[] = [];
        worker.on('listening', () => events.push('listening'));
        worker.on('disconnect', () => events.push(['disconnect', worker.exitedAfterDisconnect]));
        worker.on('exit', (code, signal) => events.push(['exit', code, signal]));
        // A worker has a listener of Node's own: what comes before its first one is lost.
        await once(worker, 'message');
        await warmUp(worker.process);
        const all: unknown[] = [];
        worker.on('message', message => all.push(message));
        for (let i = 0; i < 300; i++) worker.send({ i });
        const answers: string[] = [];
        worker.send('listen');
        let port: number | undefined;
        while (port === undefined) {
          await pause(5);
          port = all.map(message => (message as { port?: number }).port).find(Boolean);
        }
        for (let i = 0; i < 5; i++) {
          worker.send({ before: i });
          const socket = net.connect(port, '127.0.0.1');
          const [data] = (await once(socket, 'data')) as [Buffer];
          answers.push(String(data));
          await once(socket, 'close');
        }
        worker.send('last');
        while (!all.some(message => (message as { echo?: unknown }).echo === 'last'))
          await pause(5);
        worker.disconnect();
        await once(worker, 'exit');
        seen({ answers, events, isConnected: worker.isConnected(), isDead: worker.isDead() });
        seen(all.map(message => JSON.stringify(message).replace(/\d{4,}/, 'port')));
      }
    },
    async child({ warmed }) {
      const isWarm = warmed();
      self.send('here');
      await isWarm;
      const server = net.createServer(socket => socket.end(`worker ${cluster.worker!.id}`));
      process.on('message', message => {
        self.send({ echo: message });
        if (message !== 'listen') return;
        server.listen(0, '127.0.0.1', () =>
          self.send({ port: (server.address() as net.AddressInfo).port }),
        );
      });
    },
  },
};
