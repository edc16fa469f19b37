import { parseArgs } from 'node:util';
import { minSize } from './messages.js';
import { type SuiteName, suiteNames } from './plan.js';
import { transportNames } from './transports/registry.js';
import { inClone } from './workplace.js';

export const usage = `usage: npx mmap-transport bench [options], or npm run bench -- [options] in a clone

  --only NAMES        of ${suiteNames.join(', ')}; default: all
  --sizes BYTES       message sizes, e.g. 64,65536
  --transports NAMES  of ${transportNames.join(', ')}
  --trials N          trials of each; default: 5
  --milliseconds N    measured in each trial; default: 500
  --quick             2 trials of 100 milliseconds
  --brief             what most want to know, in a minute
  --json FILE         keeps the results there; docs/ is left as it is
  --render FILE...    in a clone; measures nothing: writes docs/ from results, the first in full,
                      all of them compared by Node version

In a clone a run of everything rewrites docs/benchmarks.{json,md,svg}; a narrowed one leaves
them.`;

export interface Options {
  readonly suites: readonly SuiteName[];
  readonly sizes?: readonly number[];
  readonly transports?: readonly string[];
  readonly trials: number;
  readonly milliseconds: number;
  readonly json?: string;
  /** Results to write docs/ from. */
  readonly render?: readonly string[];
  /** Everything is measured, long enough to be published. */
  readonly whole: boolean;
  readonly help: boolean;
}

/** What users have today, and what they would. */
const brief = {
  only: 'throughput,structured,round-trip,bus',
  sizes: '64,65536',
  transports: [
    'process-send-json,process-send-advanced,post-message,unix-socket,tcp',
    'ring,ring-corked,channel,channel-spin,conn',
    'process-send-structured,channel-structured',
    'send-down,bus-down,relay-across,bus-across',
  ].join(','),
};

/** @throws {Error} with one line that says what is wrong */
export function parseOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      sizes: { type: 'string' },
      transports: { type: 'string' },
      trials: { type: 'string' },
      milliseconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      brief: { type: 'boolean', default: false },
      json: { type: 'string' },
      render: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.render ? positionals.length === 0 : positionals.length > 0) {
    throw new Error(values.render ? '--render takes files' : `unexpected ${positionals[0]}`);
  }
  if (values.render && !inClone) throw new Error('--render writes docs/, which only a clone has');
  const quick = values.quick || values.brief;
  const { only, sizes, transports, json } = { ...(values.brief && brief), ...values };
  const narrowed = only ?? sizes ?? transports ?? json;
  return {
    suites: only === undefined ? suiteNames : names('only', only, suiteNames),
    ...(sizes !== undefined && {
      sizes: sizes.split(',').map(size => integer('sizes', size, minSize, 2 ** 26)),
    }),
    ...(transports !== undefined && {
      transports: names('transports', transports, transportNames),
    }),
    trials: integer('trials', values.trials ?? (quick ? '2' : '5'), 1, 1000),
    milliseconds: integer('milliseconds', values.milliseconds ?? (quick ? '100' : '500'), 1, 1e6),
    ...(json !== undefined && { json }),
    ...(values.render && { render: positionals }),
    whole: inClone && narrowed === undefined && !quick,
    help: values.help,
  };
}

function names<T extends string>(option: string, text: string, known: readonly T[]): T[] {
  return text.split(',').map(name => {
    const found = known.find(candidate => candidate === name);
    if (!found) throw new Error(`--${option}: expected one of ${known.join(', ')}; got ${name}`);
    return found;
  });
}

function integer(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Error(`--${option}: expected an integer from ${min} to ${max}, got ${text}`);
}
