// npm run fuzz -- [KINDS] [CASES] [FIRST]: peers that know the format and lie in one place, see
// docs/fuzzing.md. KINDS: of handshakes, rings, envelopes, values, with commas; or all. Prints how the
// honest side fared; fails at the first case in which it does what it must not.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { FuzzResult } from './support.js';

const parent = process.platform === 'linux' ? '/dev/shm' : tmpdir();
const directory = mkdtempSync(join(parent, 'mmap-transport-fuzz-'));
process.env.MMAP_TRANSPORT_DIR = directory;
process.on('uncaughtException', error => {
  console.error('uncaught:', error);
  process.exit(1);
});
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

type Fuzz = (from: number, to: number) => FuzzResult | Promise<FuzzResult>;

const kinds: Record<string, () => Promise<Fuzz>> = {
  handshakes: async () => (await import('./handshake.js')).fuzzHandshakes,
  rings: async () => (await import('./rings.js')).fuzzRings,
  envelopes: async () => (await import('./envelopes.js')).fuzzEnvelopes,
  values: async () => (await import('./values.js')).fuzzValues,
};

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** MiB that are reachable, and those of the whole process. */
function memory(): { used: number; resident: number } {
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { used: (heapUsed + external) / 2 ** 20, resident: rss / 2 ** 20 };
}

/** More than this is reachable after a batch than after the first, in MiB: it grows. */
const mostGrowth = 32;

async function run(kind: string, cases: number, first: number): Promise<void> {
  const fuzz = await kinds[kind]!();
  const batch = Math.min(cases, 10_000);
  const total: Record<string, number> = {};
  const started = Date.now();
  let began: number | undefined;
  let most = 0;
  for (let from = first; from < first + cases; from += batch) {
    const to = Math.min(from + batch, first + cases);
    const { outcomes } = await fuzz(from, to);
    for (const [code, count] of Object.entries(outcomes)) total[code] = (total[code] ?? 0) + count;
    const { used, resident } = memory();
    began ??= used;
    most = Math.max(most, resident);
    if (used > began + mostGrowth) throw new Error(`${used} MiB are in use, ${began} at first`);
    const seconds = Math.round((Date.now() - started) / 1000);
    console.error(`${kind}: ${to - first} cases, ${Math.round(resident)} MiB, ${seconds} s`);
  }
  const left = readdirSync(directory).filter(name => name.startsWith('link-'));
  if (left.length > 0) throw new Error(`left: ${left.join(', ')}`);
  const mebibytes = Math.round(most);
  console.log(
    JSON.stringify({ kind, cases, first, node: process.version, mebibytes, outcomes: total }),
  );
}

const [names = 'all', ...numbers] = process.argv.slice(2);
const chosen = names === 'all' ? Object.keys(kinds) : names.split(',');
const [cases = 1_000_000, first = 0] = numbers.map(Number);
for (const name of chosen) {
  if (!(name in kinds))
    throw new RangeError(`expected ${Object.keys(kinds).join(', ')}; got ${name}`);
}
// To make a stack for each refusal would take most of the time; a case alone has one.
if (cases > 1) Error.stackTraceLimit = 0;
for (const kind of chosen) await run(kind, cases, first);
process.exit();
