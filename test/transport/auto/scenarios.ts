/* eslint-disable @typescript-eslint/unbound-method -- the tools are functions */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type ChildProcess, spawn } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { describeValue } from '../codec/describe-value.js';
import { exotic } from '../codec/exotic-values.js';
import type { tools } from './scenario-tools.js';

type Tools = typeof tools;
type Part = (tools: Tools) => unknown;

export interface Scenario {
  parent: Part;
  child?: Part;
  other?: Part;
}

const self = process as NodeJS.Process & { send: NonNullable<NodeJS.Process['send']> };

/** A child that answers each message with itself, after the warm-up. */
const echo: Part = async ({ warmed }) => {
  await warmed();
  process.on('message', (message, handle) => void self.send({ echo: message, handle: !!handle }));
};

/** Collects messages until `done`. */
function messagesOf(child: ChildProcess): Promise<unknown[]> {
  const all: unknown[] = [];
  return new Promise(resolve => {
    child.on('message', function listener(message) {
      if (message !== 'done') all.push(message);
      else resolve(all);
    });
  });
}

const values = (mode: 'json' | 'advanced'): Scenario => ({
  async parent({ seen, warm, text }) {
    const child = await warm({ serialization: mode });
    for (const [name, make] of Object.entries(exotic)) {
      Error.stackTraceLimit = 1;
      let runs = 0;
      const value = make(() => runs++);
      try {
        child.send({ value });
      } catch (error) {
        seen(name, 'refused', text(error));
        continue;
      }
      const [answer] = (await once(child, 'message')) as [unknown];
      seen(name, answer, runs);
    }
    for (const value of [
      null,
      0,
      '',
      'ü€😀\ud800',
      false,
      [],
      Object.assign([1, 2], { named: 3 }),
      -1.5,
      { cmd: 'x' },
    ]) {
      child.send(value as never);
      seen('bare', ((await once(child, 'message')) as [unknown])[0]);
    }
    child.disconnect();
    await once(child, 'exit');
  },
  async child({ warmed }) {
    await warmed();
    process.on('message', message => {
      const value: unknown = (message as { value?: unknown } | null)?.value ?? message;
      const description = describeValue(value);
      self.send([description.length, description.slice(0, 300)]);
    });
  },
});

/** Numbers both ways at once, from the first moment on; nothing may be lost, or out of order. */
const flood = (count: number, size: (at: number) => number): Scenario => ({
  async parent({ seen, fork, watch }) {
    const child = fork({ serialization: 'advanced' });
    const ended = watch(child);
    let next = 0;
    let wrong = 0;
    let all: () => void = () => undefined;
    const isAll = new Promise<void>(resolve => (all = resolve));
    child.on('message', (message: { at: number; text: string }) => {
      if (message.at !== next++ || message.text.length !== size(message.at)) wrong++;
      if (next === count) all();
    });
    await send(child, count, size);
    await isAll;
    child.send('end');
    await ended;
    seen({ next, wrong });
  },
  async child({ seen }) {
    let next = 0;
    let wrong = 0;
    process.on('message', (message: 'end' | { at: number; text: string }) => {
      if (message !== 'end') {
        if (message.at !== next++ || message.text.length !== size(message.at)) wrong++;
      } else {
        process.exitCode = wrong || next !== count ? 1 : 0;
        process.disconnect();
      }
    });
    await send(self, count, size);
    seen('sent');
  },
});

async function send(
  to: { send?: (message: object, callback: (error: Error | null) => void) => boolean },
  count: number,
  size: (at: number) => number,
) {
  for (let at = 0; at < count; at++) {
    const message = { at, text: 'x'.repeat(size(at)) };
    await new Promise<void>(resolve => {
      if (to.send!(message, at % 50 === 0 ? () => resolve() : () => undefined) && at % 50 !== 0) {
        resolve();
      } else if (at % 50 !== 0) {
        setImmediate(resolve);
      }
    });
  }
}

const sendsAndEnds = (end: () => void): Scenario => ({
  async parent({ seen, warm, watch }) {
    const child = await warm();
    const ended = watch(child);
    const got: number[] = [];
    child.on('message', (message: number) => got.push(message));
    child.send('go');
    await ended;
    // Plain Node may lose what was under way; nobody sees a gap.
    seen(got.every((value, at) => value === at));
    if (process.execArgv.length > 0) process.stderr.write(`got ${got.length}`);
  },
  async child({ warmed }) {
    await warmed();
    process.once('message', () => {
      for (let at = 0; at < 5000; at++) self.send(at);
      end();
    });
  },
});

export const scenarios: Record<string, Scenario> = {
  'values, json': values('json'),
  'values, advanced': values('advanced'),

  'a flood of small messages': flood(6000, at => at % 60),
  'messages of all sizes': flood(400, at => (at % 7 === 0 ? at * 997 : at)),

  'results, callbacks and errors': {
    async parent({ seen, warm, watch, text, pause }) {
      const child = await warm({ serialization: 'advanced' });
      const ended = watch(child, 'close');
      child.on('message', message => seen('message', inspect(message)));
      const called = (name: string) => (error: unknown) =>
        seen(name, error === null ? null : text(error));
      seen('send', child.send('a', called('a')), child.send('b', undefined, called('b')));
      seen('send', child.send('c', undefined, {}, called('c')));
      process.nextTick(() => seen('tick'));
      const circular: Record<string, unknown> = {};
      circular.circular = circular;
      const refused: unknown[] = [
        undefined,
        () => 1,
        Symbol('s'),
        10n,
        circular,
        { p: Promise.resolve() },
        { f: () => 1 },
      ];
      for (const value of refused) {
        try {
          seen('refused', child.send(value as never));
        } catch (error) {
          seen('throws', text(error));
        }
      }
      for (const args of [
        ['x', {}],
        ['x', undefined, 1],
        ['x', undefined, null],
      ]) {
        try {
          seen('odd', (child.send as (...args: unknown[]) => boolean)(...args));
        } catch (error) {
          seen('throws', text(error));
        }
      }
      await pause(300);
      child.disconnect();
      seen(child.connected, child.channel === null || child.channel === undefined);
      seen('late', child.send('d', called('d')));
      child.send('e');
      child.disconnect();
      await ended;
    },
    child: echo,
  },

  'results, callbacks and errors, json': {
    async parent({ seen, warm, text }) {
      const child = await warm();
      const circular: Record<string, unknown> = {};
      circular.circular = circular;
      const thrower = {
        toJSON() {
          throw new RangeError('from toJSON');
        },
      };
      for (const value of [circular, { b: 10n }, thrower]) {
        try {
          seen('sent', child.send(value));
          seen((await once(child, 'message'))[0]);
        } catch (error) {
          seen('throws', text(error));
        }
      }
      child.send({
        a: undefined,
        f: () => 1,
        d: new Date(0),
        n: NaN,
        toJSON: (key: string) => [key],
      });
      seen((await once(child, 'message'))[0]);
      child.disconnect();
      await once(child, 'exit');
    },
    child: echo,
  },

  'messages before the first listener': {
    async parent({ seen, warm, pause }) {
      const child = await warm();
      for (let at = 0; at < 50; at++) child.send(at);
      await pause(150);
      const got = messagesOf(child);
      await pause(50);
      child.send('more');
      seen(await got);
      child.disconnect();
    },
    async child({ warmed, pause }) {
      await warmed();
      for (let at = 0; at < 30; at++) self.send(['before', at]);
      await pause(300);
      process.on('message', message => {
        self.send(message);
        if (message === 'more') self.send('done');
      });
    },
  },

  'a listener for one message': {
    async parent({ seen, warm, pause }) {
      const child = await warm();
      for (let at = 0; at < 5; at++) child.send(at);
      await pause(100);
      child.send('last');
      seen(await messagesOf(child));
      child.disconnect();
    },
    async child({ warmed, pause }) {
      await warmed();
      await pause(50);
      process.once('message', message => self.send(['once', message]));
      await pause(200);
      process.on('message', message => self.send(message));
      await pause(50);
      self.send('done');
    },
  },

  'the child disconnects': sendsAndEnds(() => process.disconnect()),
  'the child exits': sendsAndEnds(() => process.exit(7)),
  'the child is killed': sendsAndEnds(() => process.kill(process.pid, 'SIGKILL')),
  'the child throws': sendsAndEnds(() => {
    process.on('uncaughtException', () => process.exit(9));
    throw new Error('uncaught');
  }),
  'the child exits by itself': sendsAndEnds(() => undefined),

  'the parent disconnects': {
    async parent({ seen, warm, watch }) {
      const child = await warm();
      const ended = watch(child, 'close');
      for (let at = 0; at < 3000; at++) child.send(at);
      child.disconnect();
      seen(child.connected);
      await ended;
    },
    async child({ warmed }) {
      await warmed();
      let next = 0;
      process.on('message', message => {
        if (message === next) next++;
      });
      process.on('disconnect', () => {
        // Plain Node loses what the child has not read by then.
        process.exitCode = process.execArgv.length === 0 || next === 3000 ? 3 : 4;
      });
    },
  },

  'sending in listeners for exit': {
    async parent({ seen, warm, watch }) {
      const child = await warm();
      const ended = watch(child, 'close');
      child.on('message', message => seen('message', message));
      await ended;
    },
    async child({ warmed }) {
      process.on('exit', () => self.send('first'));
      await warmed();
      process.on('exit', () => self.send('second'));
      self.send('before');
      process.exit(5);
    },
  },

  'handles among messages': {
    async parent({ seen, warm }) {
      const child = await warm();
      const server = net.createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as net.AddressInfo;
      const sockets: net.Socket[] = [];
      const got = messagesOf(child);
      for (let at = 0; at < 40; at++) {
        child.send({ at });
        if (at % 10 === 3) child.send({ at, server: true }, server);
        if (at % 10 === 7) {
          const socket = net.connect(port, '127.0.0.1');
          sockets.push(socket);
          await once(socket, 'connect');
          child.send({ at, socket: true }, socket, { keepOpen: at === 17 });
        }
      }
      child.send('end');
      seen(await got);
      child.disconnect();
      server.close();
      for (const socket of sockets) socket.destroy();
    },
    async child({ warmed }) {
      await warmed();
      process.on('message', (message, handle) => {
        const kind =
          handle === undefined ? undefined : handle instanceof net.Server ? 'server' : 'socket';
        self.send(message === 'end' ? 'done' : ([message, kind] as never));
        (handle as net.Server | undefined)?.unref();
        if (handle instanceof net.Server) handle.close();
        else if (handle) (handle as net.Socket).destroy();
      });
    },
  },

  'internal messages': {
    async parent({ seen, warm }) {
      const child = await warm();
      const internal: unknown[] = [];
      child.on('internalMessage', (message: unknown) => internal.push(message));
      child.on('message', message => internal.push(['message', message]));
      for (let at = 0; at < 10; at++) {
        child.send({ at });
        child.send({ cmd: 'NODE_MINE', at });
        child.send({ cmd: 'NODE_', at });
      }
      child.send('end');
      await once(child, 'close');
      seen(internal);
    },
    async child({ warmed }) {
      await warmed();
      process.on('internalMessage', (message: object) => self.send({ internal: message }));
      process.on('message', message => {
        self.send({ message });
        self.send({ cmd: 'NODE_BACK' });
        if (message === 'end') process.disconnect();
      });
    },
  },

  'listeners that throw': {
    async parent({ seen, warm, pause }) {
      const child = await warm();
      process.on('uncaughtException', error => seen('uncaught', error.message));
      child.on('message', message => {
        seen(message);
        if ((message as number) % 2 === 0) throw new Error(`at ${JSON.stringify(message)}`);
      });
      child.send('go');
      await once(child, 'close');
      await pause(50);
    },
    async child({ warmed }) {
      await warmed();
      process.once('message', () => {
        for (let at = 0; at < 10; at++) self.send(at);
      });
    },
  },

  'the context of listeners': {
    async parent({ seen, warm }) {
      const storage = new AsyncLocalStorage<string>();
      const child = await storage.run('forked', () => warm());
      storage.run('listening', () => child.on('message', () => seen(storage.getStore())));
      const sent = new Promise<void>(resolve => {
        storage.run('sending', () =>
          child.send('a', () => {
            seen('callback', storage.getStore());
            resolve();
          }),
        );
      });
      await sent;
      await once(child, 'message');
      child.disconnect();
      await once(child, 'exit');
    },
    child: echo,
  },

  'what keeps a process alive': {
    async parent({ seen, warm }) {
      for (const role of ['none', 'once', 'unref', 'off', 'ref']) {
        const child = await warm({ env: { ...process.env, ROLE: role } });
        child.on('message', () => undefined);
        let isAsked = false;
        if (role === 'once' || role === 'ref') {
          setTimeout(() => {
            isAsked = true;
            if (role === 'once') child.send('x');
            else child.disconnect();
          }, 200);
        }
        seen(role, await once(child, 'exit'), isAsked);
      }
    },
    async child({ warmed }) {
      await warmed();
      const role = process.env.ROLE!;
      const listener = () => undefined;
      if (role === 'once') process.once('message', listener);
      if (role === 'unref' || role === 'off') process.on('message', listener);
      if (role === 'unref') process.channel!.unref();
      if (role === 'off') process.off('message', listener);
      if (role === 'ref') process.channel!.ref();
    },
  },

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
