/* eslint-disable @typescript-eslint/unbound-method -- the tools are functions */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { echo, type Scenarios, self } from './scenario-parts.js';

/** What listeners do and keep alive. */
export const listenerScenarios: Scenarios = {
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
};
