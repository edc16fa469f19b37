import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { reap } from '../../src/index.js';
import { collect } from '../support/garbage.js';
import { errnosOf, lastingOf } from './errnos.js';
import type { Operation, Place } from './operation.js';
import { operations } from './operations.js';

/** Runs one operation again and again, each time with another system call that fails. */

/** What is to fail: the `number`-th call of that name. */
export interface Fault {
  call: string;
  number: number;
  errno: string;
  forGood: boolean;
}

/** What came of it. */
export interface Outcome {
  index: number;
  fault: Fault;
  /** `ok`, or the error's code. */
  result: string;
  /** What was not as it should be; empty where nothing was. */
  wrong: string[];
  milliseconds: number;
}

/** A line of this process's report. */
export type Line = { calls: string[]; faults: number } | { begun: number; fault: Fault } | Outcome;

interface Interposer {
  arm(call: string, number: number, errno: number, forGood: boolean): void;
  disarm(): { calls: string[]; hits: number };
}

const [name, library, from = '0', only] = process.argv.slice(2) as [string, string, ...string[]];
const operation = operations.find(each => each.name === name)!;
const loaded = { exports: {} as Interposer };
process.dlopen(loaded, library);
const interposer = loaded.exports;

/** Longer than any time limit of the operations. */
const patience = 15_000;

const uncaught: unknown[] = [];
process.on('uncaughtException', error => uncaught.push(error));
process.on('unhandledRejection', error => uncaught.push(error));

function say(line: Line): void {
  writeSync(3, `${JSON.stringify(line)}\n`);
}

function describe(error: unknown): string {
  const { stack, cause } = error as Error;
  const lines = String(stack ?? error).split('\n');
  const own = lines.filter(line => /(dist\/)?(src|test)\/.*:\d/.test(line)).slice(0, 5);
  const at = own
    .map(line => line.replace(/^.*(dist\/|wt-\w+\/)/, '').replace(/\)$/, ''))
    .join(' < ');
  const inner = cause instanceof Error ? ` (cause ${cause.message})` : '';
  return `${lines[0]!}${inner} at ${at}`;
}

/** What is wrong with an error as such. */
function faultOf(error: unknown): string | undefined {
  const { name: kind, operation: what, code } = error as Partial<Record<string, unknown>>;
  if (kind === 'ShmError' && typeof what === 'string' && code !== 'EUNKNOWN') return undefined;
  return `not a ShmError: ${describe(error)}`;
}

/** Everything below a folder but the region directory itself. */
function filesIn(place: Place): string[] {
  return readdirSync(place.home, { recursive: true })
    .map(String)
    .filter(file => file !== 'regions')
    .sort();
}

function descriptors(): string[] {
  const open: string[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    let target: string;
    try {
      target = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      continue; // that of the listing itself
    }
    // libuv keeps one of the root, to be able to refuse connections at EMFILE.
    if (!target.startsWith('anon_inode:') && target !== '/')
      open.push(target.replace(/:\[\d+\]/, ''));
  }
  return open.sort();
}

function mappings({ home }: Place): string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter(line => line.includes(home))
    .map(line => line.slice(line.indexOf(home)))
    .sort();
}

function added(before: string[], now: string[]): string[] {
  const rest = [...before];
  return now.filter(each => {
    const at = rest.indexOf(each);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

interface State {
  files: string[];
  open: string[];
  mapped: string[];
}

function look(place: Place): State {
  return { files: filesIn(place), open: descriptors(), mapped: mappings(place) };
}

/** What is there beside what was there before, after some patience for what goes later. */
async function leftBeside(before: State, place: Place): Promise<string[]> {
  let left: string[] = [];
  for (let tries = 0; tries < 12; tries++) {
    if (tries > 0) await collect(); // what is reachable no more may go, when it goes
    const now = look(place);
    left = [
      ...added(before.files, now.files).map(file => `file ${file}`),
      ...added(before.open, now.open).map(target => `descriptor of ${target}`),
      ...added(before.mapped, now.mapped).map(target => `mapping of ${target}`),
    ];
    if (left.length === 0) break;
    await delay(10 * (tries + 1));
  }
  return left;
}

function newPlace(told: (error: unknown) => void): Place {
  const home = mkdtempSync(join(process.env.FAULTS_HOME ?? tmpdir(), 'f'));
  const regions = join(home, 'regions');
  process.env.MMAP_TRANSPORT_DIR = regions;
  return { home, regions, told, path: file => join(home, file) };
}

const late = Symbol('late');

async function within<T>(action: () => T | Promise<T>): Promise<T | typeof late> {
  const stop = new AbortController();
  try {
    const limit = delay(patience, late, { signal: stop.signal }).catch(() => late);
    return await Promise.race([action(), limit as Promise<typeof late>]);
  } finally {
    stop.abort();
  }
}

/** The next reap is there for what could not be removed, or not be known to be unused. */
function isLeftToReap(fault: Fault | undefined): boolean {
  return fault?.call === 'unlink' || fault?.call === 'flock' || fault?.call === 'dup';
}

/** Runs with a fault, or, to record, without one. */
async function run({ isOnce, ...op }: Operation, fault: Fault | undefined) {
  const wrong: string[] = [];
  const say = (what: string) => wrong.push(what);
  const attempt = async (what: string, action: () => unknown): Promise<unknown> => {
    try {
      const value = await within(action);
      if (value === late) say(`${what} takes for ever`);
      return value;
    } catch (error) {
      say(`${what}: ${describe(error)}`);
      return undefined;
    }
  };
  uncaught.length = 0;
  let place = newPlace(error => {
    const bad = faultOf(error);
    if (bad !== undefined) say(`by an event, ${bad}`);
  });
  const empty = look(place);
  let context = await op.prepare?.(place);
  const before = look(place);
  let value: unknown;
  let error: unknown;
  const errno = fault === undefined ? 0 : Math.abs(constants.errno[fault.errno as 'EIO']);
  interposer.arm(fault?.call ?? '', fault?.number ?? 0, errno, fault?.forGood ?? false);
  try {
    value = await within(() => op.act(context, place));
    if (value === late) say('takes for ever');
  } catch (cause) {
    error = cause ?? new Error('an empty error');
    describe(error); // until its stack is made it keeps alive what the functions had
  }
  const { calls, hits } = interposer.disarm();
  if (error === undefined) {
    if (value !== late) await attempt('finish', () => op.finish?.(value, context, place));
  } else {
    const bad = fault ? faultOf(error) : describe(error);
    if (bad !== undefined) say(bad);
    if (!isOnce) {
      if (isLeftToReap(fault)) reap();
      for (const left of await leftBeside(before, place)) say(`left by the failure: ${left}`);
    }
  }
  if (isOnce) {
    await attempt('dispose', () => op.dispose?.(context, place));
    context = value = undefined;
    if (isLeftToReap(fault)) reap();
    for (const left of await leftBeside(empty, place)) say(`left: ${left}`);
    rmSync(place.home, { recursive: true });
    place = newPlace(place.told);
    context = await op.prepare?.(place);
  }
  const again = await attempt('again', () => op.act(context, place));
  await attempt('finish again', () => op.finish?.(again, context, place));
  await attempt('dispose at last', () => op.dispose?.(context, place));
  if (isLeftToReap(fault)) reap();
  context = value = undefined;
  const nothing = { files: [], open: empty.open, mapped: [] };
  for (const left of await leftBeside(nothing, place)) say(`left at last: ${left}`);
  for (const thrown of uncaught) say(`uncaught: ${describe(thrown)}`);
  rmSync(place.home, { recursive: true });
  const result = error === undefined ? 'ok' : String((error as { code?: unknown }).code);
  return { calls, hits, result, wrong };
}

/** Each call that was recorded, with each errno that it may fail with. */
function faultsFor(calls: string[]): Fault[] {
  const faults: Fault[] = [];
  const counts = new Map<string, number>();
  for (const call of calls) {
    const number = (counts.get(call) ?? 0) + 1;
    counts.set(call, number);
    if (!errnosOf[call]) throw new Error(`no errnos are known for ${call}`);
    for (const errno of errnosOf[call]) faults.push({ call, number, errno, forGood: false });
    if (number > 1) continue;
    for (const errno of lastingOf[call] ?? []) faults.push({ call, number, errno, forGood: true });
  }
  return faults;
}

try {
  await main();
} catch (error) {
  // Not to be taken for an exception of the operation's.
  console.error(error);
  process.exit(1);
}
process.exit(0);

async function main(): Promise<void> {
  // What happens only once in a process is left out: code is loaded, the table of faults is made.
  const first = await run(operation, undefined);
  await run(operation, undefined);
  const { calls, wrong } = await run(operation, undefined);
  if (wrong.length > 0) throw new Error([...first.wrong, ...wrong].join('; '));
  const faults = faultsFor(calls);
  say({ calls, faults: faults.length });
  const chosen = new RegExp(only ?? '');
  for (const [index, fault] of faults.entries()) {
    if (index < Number(from) || !chosen.test(`${fault.call} ${fault.errno}`)) continue;
    say({ begun: index, fault });
    const start = performance.now();
    const outcome = await run(operation, fault);
    const result = outcome.hits === 0 ? 'not reached' : outcome.result;
    const milliseconds = Math.round(performance.now() - start);
    say({ index, fault, result, wrong: outcome.wrong, milliseconds });
  }
}
