import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { buildSync } from 'esbuild';
import { makeRegionHome } from '../../bench/region-home.js';
import { openFile, reap, Ring } from '../../src/index.js';
import { sibling } from '../support/processes.js';
import { random } from '../support/traffic.js';

/*
 * Processes that open and close everything are killed by SIGKILL at random moments, eight at a
 * time. After each death, what was committed to a kept ring is in it, in order, and nothing else.
 * After each round, in which every place has had several of them, one `reap` has to leave nothing
 * of any, and the files that they were making are there whole or not at all.
 *
 *   node dist/test/soak/kill-soak.js [--seconds 60] [--kills 10000] [--seed 1]
 */

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    kills: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
  },
});
const peers = 8;
const killsPerRound = 4;
const capacity = 65_536;
const wordsPerPeer = 16;
const next = random(Number(values.seed));
const home = makeRegionHome('kill-soak-');
const regions = join(home, 'regions');
process.env.MMAP_TRANSPORT_DIR = regions;
const ledgerFile = openFile(join(home, 'ledger'), {
  access: 'read-write',
  create: true,
  size: 4096,
});
const ledger = new Int32Array(ledgerFile.buffer);
/** Records of `in-<peer>` that were written, and of `out-<peer>` that were read, by this process. */
const written = new Array<number>(peers).fill(0);
const read = new Array<number>(peers).fill(0);
const record = Buffer.alloc(56); // with its header a part of the capacity: no padding
let kills = 0;
let records = 0;
let rounds = 0;

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`${what} (seed ${values.seed}, round ${rounds})`);
}

function numberOf(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes);
  const number = buffer.readUInt32LE(0);
  for (let at = 0; at < buffer.length; at += 4) {
    check(buffer.readUInt32LE(at) === number, 'a record is torn');
  }
  return number;
}

/** A peer that is killed between a commit and its note in the ledger has done one more. */
function checkRings(peer: number): void {
  const at = peer * wordsPerPeer;
  using out = Ring.open(join(home, `out-${peer}`));
  const consumer = out.consumer();
  let n = read[peer]!;
  for (let bytes = consumer.tryRead(); bytes; bytes = consumer.tryRead()) {
    check(numberOf(bytes) === n, `record ${n} of ring ${peer} is lost`);
    n++;
  }
  const noted = Atomics.load(ledger, at);
  check(n === noted || n === noted + 1, `${noted} records committed, ${n} found`);
  records += n - read[peer]!;
  read[peer] = n;
  Atomics.store(ledger, at, n);
  using input = Ring.open(join(home, `in-${peer}`));
  const { used } = input.stats();
  const left = used / (record.length + 8);
  const taken = Atomics.load(ledger, at + 1);
  const gone = written[peer]! - left;
  check(gone === taken || gone === taken + 1, `${taken} records were taken, ${gone} are gone`);
  Atomics.store(ledger, at + 1, gone);
  const producer = input.producer();
  while (producer.tryWrite(fill(written[peer]!))) written[peer]!++;
}

function fill(n: number): Buffer {
  for (let at = 0; at < record.length; at += 4) record.writeUInt32LE(n, at);
  return record;
}

/** One file loads faster than a hundred, and loading is most of a short life. */
function bundle(): string {
  const outfile = sibling(import.meta.url, './kill-soak-peer.bundle.js');
  buildSync({
    entryPoints: [sibling(import.meta.url, './kill-soak-peer.js')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  return outfile;
}

const script = bundle();

const children = new Set<ChildProcess>();

function start(number: number): ChildProcess {
  const child = fork(script, [home, String(next(2 ** 31)), String(number)]);
  children.add(child);
  return child.once('exit', () => children.delete(child));
}

async function killSeveral(number: number): Promise<void> {
  for (let left = killsPerRound; left > 0; left--) {
    await killSoon(start(number));
    checkRings(number);
  }
}

async function killSoon(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  const [word] = (await Promise.race([
    once(child, 'message'),
    ended.then(() => ['it ended by itself']),
  ])) as [string];
  check(word === 'ready', word);
  child.on('message', error => {
    console.error(error);
    process.exit(1);
  });
  await delay(next(80));
  check(child.exitCode === null, 'it ended by itself');
  child.kill('SIGKILL');
  const [, signal] = (await ended) as [number | null, string | null];
  check(signal === 'SIGKILL', `it ended by ${signal}`);
  kills++;
}

function checkLeft(): void {
  reap(regions);
  const left = readdirSync(regions);
  check(left.length === 0, `left after a reap: ${left.join(', ')}`);
  for (const name of readdirSync(join(home, 'files'))) {
    const path = join(home, 'files', name);
    check(!name.startsWith('.'), `a draft is left: ${name}`);
    const stats = statSync(path);
    if (name.startsWith('file-')) check(stats.size === 8192, `${name} has ${stats.size} bytes`);
    if (name.startsWith('ring-')) Ring.open(path).close();
    rmSync(path);
  }
}

try {
  mkdirSync(join(home, 'files'));
  mkdirSync(regions, { mode: 0o700 });
  for (let peer = 0; peer < peers; peer++) {
    Ring.create({ capacity, path: join(home, `out-${peer}`) }).close();
    Ring.create({ capacity, path: join(home, `in-${peer}`) }).close();
    checkRings(peer);
  }
  const end = performance.now() + Number(values.seconds) * 1000;
  while (performance.now() < end && kills < Number(values.kills)) {
    rounds++;
    await Promise.all(Array.from({ length: peers }, (_, number) => killSeveral(number)));
    checkLeft();
  }
  console.log(
    `${kills} killed in ${rounds} rounds, ${records} records committed, none lost, nothing left`,
  );
} catch (error) {
  console.error(`after ${kills} killed in ${rounds} rounds, ${records} records:`);
  throw error;
} finally {
  for (const child of children) child.kill('SIGKILL');
  ledgerFile.close();
  rmSync(home, { recursive: true });
  rmSync(script);
}
process.exit(process.exitCode);
