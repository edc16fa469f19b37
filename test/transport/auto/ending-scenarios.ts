/* eslint-disable @typescript-eslint/unbound-method -- the tools are functions */
import { type Scenario, type Scenarios, self } from './scenario-parts.js';

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

/** How a channel ends, with messages under way. */
export const endingScenarios: Scenarios = {
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
};
