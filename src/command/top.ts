import { cursorTo, clearScreenDown } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { RingStats } from '../transport/stats.js';
import { bytes, count, rate } from './format.js';
import { type Look, lookAround } from './look.js';
import { table } from './tables.js';

export interface TopOptions {
  readonly directory?: string;
  /** Milliseconds from one look to the next. */
  readonly interval: number;
  /** How often to look; without end by default. */
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
 * Shows what goes through all rings, the busiest first, again and again: in a terminal in one
 * place until `q` or Ctrl-C, else one table after the other.
 */
export async function top({ directory, interval, count: times = Infinity }: TopOptions) {
  const stop = new AbortController();
  using screen = process.stdout.isTTY ? new Screen(() => stop.abort()) : undefined;
  let before = new Map<string, Sample>();
  for (let shown = 0; shown < times && !stop.signal.aborted; shown++) {
    if (shown > 0 && !(await passed(interval, stop.signal))) return;
    const looks = lookAround(directory);
    const now = sample(looks);
    const text = frame(looks, before, now);
    if (screen) screen.show(text);
    else process.stdout.write(`${text}\n\n`);
    before = now;
  }
}

/** False where it was stopped meanwhile. */
async function passed(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return delay(milliseconds, true, { signal }).catch(() => false);
}

function sample(looks: readonly Look[]): Map<string, Sample> {
  const time = performance.now();
  const samples = new Map<string, Sample>();
  for (const { name, content } of looks) {
    if (!content || !('rings' in content)) continue;
    content.rings.forEach((stats, index) => samples.set(keyOf(name, index), { stats, time }));
  }
  return samples;
}

const keyOf = (name: string, index: number) => `${name} ${index + 1}`;

function frame(
  looks: readonly Look[],
  before: ReadonlyMap<string, Sample>,
  now: ReadonlyMap<string, Sample>,
): string {
  const rows = [...now].map(([key, { stats, time }]) => {
    const old = before.get(key);
    const seconds = old ? (time - old.time) / 1000 : 0;
    const perSecond = (read: (stats: RingStats) => number) =>
      old ? (read(stats) - read(old.stats)) / seconds : undefined;
    // Counted modulo 2^32.
    const written = old && ((stats.bytesWritten - old.stats.bytesWritten) >>> 0) / seconds;
    return { key, stats, written, perSecond };
  });
  rows.sort((a, b) => (b.written ?? 0) - (a.written ?? 0));
  const many = (value: number | undefined) => (value === undefined ? '' : count(value));
  const lines = rows.map(({ key, stats, written, perSecond }) => [
    key,
    process_(stats.producer),
    process_(stats.consumer),
    `${Math.round((100 * stats.used) / stats.capacity)} %`,
    bytes(stats.capacity),
    many(perSecond(({ recordsWritten }) => recordsWritten)),
    written === undefined ? '' : rate(written),
    many(perSecond(({ fullCount }) => fullCount)),
    many(perSecond(({ producer, consumer }) => producer.wakes + consumer.wakes)),
  ]);
  const size = looks.reduce((sum, look) => sum + look.size, 0);
  const leftOver = looks.filter(({ state }) => state === 'left over').length;
  const title =
    `${looks.length} regions, ${bytes(size)}` +
    (leftOver > 0 ? `; ${leftOver} left over by killed processes, see reap` : '');
  return `${title}\n\n${table(headings, lines)}`;
}

function process_({ pid, state, alive }: RingStats['producer']): string {
  if (pid === 0) return '–';
  if (state === 'attached') return alive ? String(pid) : `${pid} killed`;
  return `${pid} ${state}`;
}

/** The terminal's other screen, which leaves what was there before as it was. */
class Screen {
  readonly #onStop: () => void;
  readonly #onKey = (key: Buffer) => {
    if (['q', '\u0003', '\u0004'].includes(key.toString())) this.#onStop();
  };

  constructor(onStop: () => void) {
    this.#onStop = onStop;
    process.stdout.write('\u001b[?1049h\u001b[?25l');
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, onStop);
    if (!process.stdin.isTTY) return;
    process.stdin.setRawMode(true).on('data', this.#onKey).resume();
  }

  show(text: string): void {
    // A terminal that does not know its size says 0.
    const rows = process.stdout.rows || 24;
    const columns = process.stdout.columns || 80;
    const lines = text.split('\n').slice(0, rows - 1);
    cursorTo(process.stdout, 0, 0);
    clearScreenDown(process.stdout);
    process.stdout.write(lines.map(line => line.slice(0, columns)).join('\n'));
  }

  [Symbol.dispose](): void {
    if (process.stdin.isTTY) process.stdin.off('data', this.#onKey).setRawMode(false).pause();
    process.stdout.write('\u001b[?25h\u001b[?1049l');
  }
}
