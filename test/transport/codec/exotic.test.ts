import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import { Channel } from '../../../src/index.js';
import { message, sibling, start } from '../../support/processes.js';
import { exotic, type Make } from './exotic-values.js';

interface Outcome {
  got?: unknown;
  refused?: string;
  /** What ran while the value was being sent, in order. */
  ran: string[];
}

const nameless = (error: unknown) => {
  const { name, message: text } = error as Error;
  return `${name}: ${text}`;
};

/** Sends a value by `process.send` with serialization 'advanced', or by a channel. */
async function sent(child: ChildProcess, make: Make, send: (value: unknown) => void) {
  const outcome: Outcome = { ran: [] };
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 1; // where this function was called from differs
  const value = make((what = '') => outcome.ran.push(what));
  Error.stackTraceLimit = stackTraceLimit;
  try {
    send(value);
  } catch (error) {
    return { ...outcome, refused: nameless(error) };
  }
  return { ...outcome, got: await message(child) };
}

describe('codec structured beside process.send', () => {
  let child: ChildProcess;
  let channel: Channel;
  afterEach(() => channel.close());

  // One for all: hooks of the suite end children after each test.
  async function connect() {
    child = start(sibling(import.meta.url, './exotic-child.js'));
    expect(await message(child)).to.equal('here');
    channel = Channel.create({ capacity: 16 * 1024 * 1024 });
    child.send({ handle: channel.handle });
  }

  for (const [part, names] of parts(Object.keys(exotic), 20)) {
    it(`carries or refuses alike: ${part}`, async () => {
      await connect();
      const failures: string[] = [];
      for (const name of names) {
        const make = exotic[name]!;
        const theirs = await sent(child, make, value => child.send({ value }));
        // Twice: what is remembered of the first changes nothing.
        for (const time of ['first', 'second']) {
          const ours = await sent(child, make, value => {
            expect(channel.send([value])).to.equal(true);
            child.send({ ask: true });
          });
          const [a, b] = [JSON.stringify(theirs), JSON.stringify(ours)];
          if (a !== b) failures.push(`${name}, ${time} time\n  theirs ${a}\n  ours   ${b}`);
        }
      }
      expect(failures.join('\n')).to.equal('');
    });
  }
});

/** Names of a test and its items, some at a time. */
function parts(items: string[], size: number): [string, string[]][] {
  const groups: [string, string[]][] = [];
  for (let i = 0; i < items.length; i += size) {
    const group = items.slice(i, i + size);
    groups.push([`${group[0]} to ${group.at(-1)}`, group]);
  }
  return groups;
}
