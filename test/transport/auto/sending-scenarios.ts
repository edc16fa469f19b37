/* eslint-disable @typescript-eslint/unbound-method -- the tools are functions */
import { once } from 'node:events';
import { inspect } from 'node:util';
import { echo, messagesOf, type Scenario, type Scenarios, self } from './scenario-parts.js';

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

/** Many messages, what send returns, and messages without a listener. */
export const sendingScenarios: Scenarios = {
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
};
