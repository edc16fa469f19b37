import { cursorTo, clearScreenDown } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { RingStats, RoleStats } from '../transport/ring/stats.js';
import { bytes, count, rate } from './number-format.js';
import { type RegionReport, reportAll } from './region-report.js';
import { stateOf, table } from './tables.js';

interface TopOptions {
  readonly directory?: string;
  /** Milliseconds between two reports. */
  readonly interval: number;
  /** How many reports; endless by default. */
  readonly count?: number;
}

/** A ring at one moment. */
interface Sample {
  readonly stats: RingStats;
  /** Milliseconds. */
  readonly time: number;
}

const headings = [
  ...['region', 'from', 'to', '>used', '>of', '>messages/s', '>bytes', '>full/s', '>wakes/s'],
];

/**
 * Shows what goes through all rings, the busiest first, repeatedly: in a terminal in place, until
 * `q` or Ctrl-C; otherwise one table after the other.
 */
export async function top({ directory, interval, count: times = Infinity }: TopOptions) {
  const stop = new AbortController();
  using screen = process.stdout.isTTY ? new Screen(() => stop.abort()) : undefined;
  let before = new Map<string, Sample>();
  for (let shown = 0; shown < times && !stop.signal.aborted; shown++) {
    if (shown > 0 && !(await passed(interval, stop.signal))) return;
    const reports = reportAll(directory);
    const now = sample(reports);
    const rows = rates(before, now);
    if (screen) screen.show(height => frame(reports, rows.slice(0, height)));
    else process.stdout.write(`${frame(reports, rows)}\n\n`);
    before = now;
  }
}

/** False if it was stopped meanwhile. */
async function passed(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return delay(milliseconds, true, { signal }).catch(() => false);
}

function sample(reports: readonly RegionReport[]): Map<string, Sample> {
  const time = performance.now();
  const samples = new Map<string, Sample>();
  for (const { name, content } of reports) {
    if (!content || !('rings' in content)) continue;
    content.rings.forEach((stats, index) => samples.set(keyOf(name, index), { stats, time }));
  }
  return samples;
}

const keyOf = (name: string, index: number) => `${name} ${index + 1}`;

interface Rates {
  /** The region's name, and which of its rings. */
  readonly key: string;
  readonly stats: RingStats;
  /** Per second; absent in the first report. */
  readonly bytes?: number;
  readonly records?: number;
  readonly full?: number;
  readonly wakes?: number;
}

/** The busiest first. */
function rates(before: ReadonlyMap<string, Sample>, now: ReadonlyMap<string, Sample>): Rates[] {
  const rows = [...now].map(([key, { stats, time }]): Rates => {
    const old = before.get(key);
    if (!old) return { key, stats };
    const perSecond = (read: (stats: RingStats) => number) =>
      ((read(stats) - read(old.stats)) * 1000) / (time - old.time);
    return {
      key,
      stats,
      bytes: perSecond(({ bytesWritten }) => bytesWritten),
      records: perSecond(({ recordsWritten }) => recordsWritten),
      full: perSecond(({ fullCount }) => fullCount),
      wakes: perSecond(({ producer, consumer }) => producer.wakes + consumer.wakes),
    };
  });
  return rows.sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0));
}

function frame(reports: readonly RegionReport[], rows: readonly Rates[]): string {
  const many = (value: number | undefined) => (value === undefined ? '' : count(value));
  const lines = rows.map(({ key, stats, ...row }) => [
    key,
    roleCell(stats.producer),
    roleCell(stats.consumer),
    `${Math.round((100 * stats.used) / stats.capacity)} %`,
    bytes(stats.capacity),
    many(row.records),
    row.bytes === undefined ? '' : rate(row.bytes),
    many(row.full),
    many(row.wakes),
  ]);
  const size = reports.reduce((sum, report) => sum + report.size, 0);
  const leftOver = reports.filter(({ state }) => state === 'left over').length;
  const title =
    `${reports.length} regions, ${bytes(size)}` +
    (leftOver > 0 ? `; ${leftOver} left over by killed processes, see reap` : '');
  return `${title}\n\n${table(headings, lines)}`;
}

function roleCell(role: RoleStats): string {
  if (role.pid === 0) return '–';
  const state = stateOf(role);
  return state === 'attached' ? String(role.pid) : `${role.pid} ${state}`;
}

/** `q`, Ctrl-C and Ctrl-D. */
const endKeys = ['q', '\u0003', '\u0004'];

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The terminal's alternate screen, which leaves the previous content as it was. */
class Screen {
  readonly #onStop: () => void;
  readonly #onKeys = (keys: Buffer) => {
    // Several keys may arrive at once.
    if (endKeys.some(key => keys.includes(key))) this.#onStop();
  };
  /** After `fg` the terminal is as the shell left it. */
  readonly #onContinue = () => this.#enter();
  readonly #draw = () => {
    // A terminal that does not know its size says 0.
    const height = process.stdout.rows || 24;
    const width = process.stdout.columns || 80;
    const lines = this.#text(height)
      .split('\n')
      .slice(0, height - 1);
    cursorTo(process.stdout, 0, 0);
    clearScreenDown(process.stdout);
    process.stdout.write(lines.map(line => line.slice(0, width)).join('\n'));
  };
  #text: (height: number) => string = () => '';

  constructor(onStop: () => void) {
    this.#onStop = onStop;
    for (const signal of signals) process.once(signal, onStop);
    process.on('SIGCONT', this.#onContinue);
    process.stdout.on('resize', this.#draw);
    process.stdin.on('data', this.#onKeys);
    this.#enter();
  }

  #enter(): void {
    process.stdout.write('\u001b[?1049h\u001b[?25l');
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    this.#draw();
  }

  /** @param text makes the text for a terminal of `height` lines */
  show(text: (height: number) => string): void {
    this.#text = text;
    this.#draw();
  }

  [Symbol.dispose](): void {
    for (const signal of signals) process.off(signal, this.#onStop);
    process.off('SIGCONT', this.#onContinue);
    process.stdout.off('resize', this.#draw);
    process.stdin.off('data', this.#onKeys).pause();
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdout.write('\u001b[?25h\u001b[?1049l');
  }
}
