// npm run bench:pairs -- FOLDER [--pairs 15] [--milliseconds 300] [--only NAMES]
// Compares this clone with another one of this project, set up by `npm run setup`: before and after a
// change. NAMES, with commas: of those that are printed; `dial`: connections made, used and destroyed.
// Each pair is one trial of each, one right after the other, each in processes of its own; a
// change of the machine's speed meets both. A subject is slower where the whole 95 % interval of the
// ratio lies below 0.95.
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import type { Outcome as DialOutcome } from './dials.js';
import type * as Launching from './launch.js';
import type { Outcome as PayloadOutcome, Trial as PayloadTrial } from './payloads/trial.js';
import type { Content, Kind, Trial } from './trial.js';
import { makeWorkplace, removeWorkplace } from './workplace.js';

type Subject = Omit<Trial, 'milliseconds' | 'deadline' | 'cores'>;

function subject(
  transport: string,
  kind: Kind,
  size: number,
  content?: Content,
): [string, Subject] {
  const capacity = Math.max(2 ** 20, 64 * size);
  const common = { transport, place: 'process', kind, size, capacity, rings: 1 } as const;
  const name = `${transport} ${size} ${kind === 'round-trip' ? 'round-trip' : ''}`.trim();
  return [name, { ...common, ...(content && { content }) }];
}

const subjects = new Map<string, Subject>([
  subject('ring', 'throughput', 64),
  subject('ring-corked', 'throughput', 64),
  subject('ring-copied', 'throughput', 65536),
  subject('channel', 'throughput', 64),
  subject('channel-structured', 'throughput', 150),
  subject('conn', 'throughput', 64),
  subject('conn', 'throughput', 65536),
  subject('bus-down', 'throughput', 64, 'fields'),
  subject('bus-broadcast', 'throughput', 1024, 'fields'),
  subject('channel', 'round-trip', 64),
  subject('conn', 'round-trip', 64),
  subject('bus-across', 'round-trip', 64),
  subject('http-conn', 'round-trip', 64),
]);
const payloads = 'payloads 1048576';
const dials = 'dial';
/** Of this clone, for both: the other one may be from before it was written. */
const dialScript = fileURLToPath(new URL('./dials.js', import.meta.url));

/** What comes after a trial's own time. */
const patience = 20_000;

/** Messages, round trips or tasks per second, by name where one trial has several. */
type Rates = Record<string, number>;

/** One of the two clones. */
interface Side {
  readonly folder: string;
  readonly launch: typeof Launching.launch;
  readonly payloadsScript: string;
}

async function side(folder: string): Promise<Side> {
  const at = (path: string) => resolve(folder, 'dist/bench', path);
  const module = (await import(pathToFileURL(at('launch.js')).href)) as typeof Launching;
  return { folder: resolve(folder), launch: module.launch, payloadsScript: at('payloads.js') };
}

async function rateOf({ launch }: Side, subject: Subject, milliseconds: number): Promise<Rates> {
  const workplace = makeWorkplace();
  try {
    const deadline = Date.now() + milliseconds + patience;
    const outcome = await launch({ ...subject, milliseconds, deadline }, workplace);
    return { '': outcome.messagesPerSecond ?? 1e6 / outcome.p50! };
  } finally {
    removeWorkplace(workplace);
  }
}

async function payloadRates({ payloadsScript }: Side, milliseconds: number): Promise<Rates> {
  const trial: PayloadTrial = { direction: 'in', size: 2 ** 20, milliseconds, turn: 0 };
  const child = fork(payloadsScript, [JSON.stringify(trial)], { execArgv: ['--expose-gc'] });
  const exited = once(child, 'exit');
  const outcome = await new Promise<PayloadOutcome>((resolve, reject) => {
    child.once('message', message => resolve(message as PayloadOutcome));
    child.once('exit', code => reject(new Error(`the trial ended with ${code}`)));
  });
  await exited;
  const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
  return Object.fromEntries(Object.entries(outcome).map(([way, rates]) => [way, median(rates)]));
}

async function dialRates({ folder }: Side, milliseconds: number): Promise<Rates> {
  const args = [dialScript, folder, `${milliseconds}`];
  const limit = { timeout: milliseconds + patience };
  const { stdout } = await promisify(execFile)(process.execPath, args, limit);
  const { perSecond, perProcessorSecond } = JSON.parse(stdout) as DialOutcome;
  return { '': perSecond, 'by processor time': perProcessorSecond };
}

/** Of Student's distribution, 97.5 %, for a number of pairs less one; from 30 on as good as this. */
const quantiles = [
  12.7, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14,
];

function report(name: string, ratios: readonly number[]): void {
  const logs = ratios.map(Math.log);
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1);
  const reach = (quantiles[logs.length - 2] ?? 2.1) * Math.sqrt(variance / logs.length);
  const [low, middle, high] = [mean - reach, mean, mean + reach].map(Math.exp) as [
    number,
    number,
    number,
  ];
  const verdict = high < 0.95 ? 'SLOWER' : low > 1.05 ? 'faster' : '';
  const figures = [middle, low, high].map(value => value.toFixed(2));
  console.log(`${name.padEnd(40)} ${figures[0]}  [${figures[1]}, ${figures[2]}]  ${verdict}`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: 'string', default: '15' },
    milliseconds: { type: 'string', default: '300' },
    only: { type: 'string' },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('expected the folder of another clone of this project');
const here = await side(fileURLToPath(new URL('../..', import.meta.url)));
const other = await side(folder);
const milliseconds = Number(values.milliseconds);
const everything = [...subjects.keys(), dials, payloads];
const chosen = values.only?.split(',') ?? everything;
console.log('this clone / the other one: mean of the ratios, and its 95 % interval');
for (const name of chosen) {
  const subject = subjects.get(name);
  const measure = (from: Side) => {
    if (name === payloads) return payloadRates(from, 4 * milliseconds);
    if (name === dials) return dialRates(from, 4 * milliseconds);
    if (subject) return rateOf(from, subject, milliseconds);
    throw new RangeError(`expected ${everything.join(', ')}; got ${name}`);
  };
  const ratios: Record<string, number[]> = {};
  for (let pair = 0; pair < Number(values.pairs); pair++) {
    // Which one comes first changes from pair to pair.
    const first = await measure(pair % 2 === 0 ? here : other);
    const second = await measure(pair % 2 === 0 ? other : here);
    const [mine, theirs] = pair % 2 === 0 ? [first, second] : [second, first];
    for (const [way, rate] of Object.entries(mine)) {
      if (theirs[way] !== undefined) (ratios[way] ??= []).push(rate / theirs[way]);
    }
  }
  for (const [way, all] of Object.entries(ratios)) report(`${name} ${way}`.trim(), all);
}
