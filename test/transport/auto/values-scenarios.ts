/* eslint-disable @typescript-eslint/unbound-method -- the tools are functions */
import { once } from 'node:events';
import { describeValue } from '../codec/describe-value.js';
import { exotic } from '../codec/exotic-values.js';
import { type Scenario, type Scenarios, self } from './scenario-parts.js';

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

/** What arrives. */
export const valuesScenarios: Scenarios = {
  'values, json': values('json'),

  'values, advanced': values('advanced'),
};
