import { setTimeout as delay } from 'node:timers/promises';
import type { RingStats, RoleStats } from '../transport/ring/stats.js';
import { fitting, programOf, shortNames } from './fitting.js';
import { bytes, count, rate } from './number-format.js';
import { type RegionReport, reportAll } from './region-report.js';
import { Screen } from './screen.js';
import { furthestBehind, stateOf, table } from './tables.js';
import type { TopicStats } from '../transport/topic/stats.js';

interface TopOptions {
  readonly directory?: string;
  /** Milliseconds between two reports. */
  readonly interval: number;
  /** How many reports; endless by default. */
  readonly count?: number;
}

/** A ring at one moment. */
interface Sample {
  readonly name: string;
  readonly number: number;
  readonly stats: Flow;
  /** Milliseconds. */
  readonly time: number;
}

/** What is shown of a ring and of a topic alike. */
interface Flow {
  readonly from: string;
  readonly to: string;
  readonly programs: string;
  readonly used: number;
  readonly capacity: number;
  readonly bytesWritten: number;
  readonly recordsWritten: number;
  readonly fullCount: number;
  readonly wakes: number;
}

const headings = [
  'region',
  'from',
  'to',
  '>used',
  '>of',
  '>messages/s',
  '>bytes/s',
  '>full/s',
  '>wakes/s',
];
/** Where a terminal is too narrow for these. */
const narrowHeadings = [
  'region',
  'from',
  'to',
  '>used',
  '>msg/s',
  '>bytes/s',
  '>full/s',
  '>wakes/s',
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
    if (screen) screen.show((height, width) => frame(reports, rows.slice(0, height), width));
    else process.stdout.write(`${frame(reports, rows, Infinity)}\n\n`);
    before = now;
  }
}

/** Shows a text anew every second: in a terminal in place, until `q`; else one after the other. */
export async function watch(text: (width: number) => string): Promise<void> {
  const stop = new AbortController();
  using screen = process.stdout.isTTY ? new Screen(() => stop.abort()) : undefined;
  do {
    if (screen) screen.show((_height, width) => text(width));
    else process.stdout.write(`${text(Infinity)}\n\n`);
  } while (await passed(1000, stop.signal));
}

/** False if it was stopped meanwhile. */
async function passed(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return delay(milliseconds, true, { signal }).catch(() => false);
}

function sample(reports: readonly RegionReport[]): Map<string, Sample> {
  const time = performance.now();
  const samples = new Map<string, Sample>();
  for (const { name, content } of reports) {
    if (content?.kind === 'topic') {
      const stats = flowOfTopic(content.topic);
      samples.set(name, { name: content.topic.name || name, number: 0, stats, time });
    }
    if (!content || !('rings' in content)) continue;
    content.rings.forEach((ring, index) => {
      const number = index + 1;
      const stats = flowOfRing(ring);
      samples.set(`${name} ${number}`, { name, number, stats, time });
    });
  }
  return samples;
}

function flowOfRing(ring: RingStats): Flow {
  const { producer, consumer } = ring;
  return {
    ...ring,
    ...{ from: roleCell(producer), to: roleCell(consumer), programs: programsOf(ring) },
    wakes: producer.wakes + consumer.wakes,
  };
}

/** In use is as much as the slowest reader has not read. */
function flowOfTopic(topic: TopicStats): Flow {
  const { publisher, readers, capacity, position, records, fullCount, wakes } = topic;
  const { pid, state } = publisher;
  const from = state === 'never' ? '–' : state === 'live' ? String(pid) : `${pid} ${state}`;
  const programs = pid === 0 ? '' : (programOf(pid) ?? '');
  return {
    ...{ from, to: `${readers.length} readers`, programs, capacity, fullCount, wakes },
    ...{ used: furthestBehind(topic), bytesWritten: position, recordsWritten: records },
  };
}

interface Rates {
  /** The region's name. */
  readonly name: string;
  /** Which of its rings, from 1; 0: it is a topic. */
  readonly number: number;
  readonly stats: Flow;
  /** Per second; absent in the first report. */
  readonly bytes?: number;
  readonly records?: number;
  readonly full?: number;
  readonly wakes?: number;
}

/** The busiest first. */
function rates(before: ReadonlyMap<string, Sample>, now: ReadonlyMap<string, Sample>): Rates[] {
  const rows = [...now].map(([key, { name, number, stats, time }]): Rates => {
    const old = before.get(key);
    if (!old) return { name, number, stats };
    const perSecond = (read: (stats: Flow) => number) =>
      ((read(stats) - read(old.stats)) * 1000) / (time - old.time);
    return {
      name,
      number,
      stats,
      bytes: perSecond(({ bytesWritten }) => bytesWritten),
      records: perSecond(({ recordsWritten }) => recordsWritten),
      full: perSecond(({ fullCount }) => fullCount),
      wakes: perSecond(({ wakes }) => wakes),
    };
  });
  return rows.sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0));
}

function frame(reports: readonly RegionReport[], rows: readonly Rates[], width: number): string {
  const many = (value: number | undefined) => (value === undefined ? '' : count(value));
  const short = shortNames(reports.map(({ name }) => name));
  const lines = (isShort: boolean, isNarrow: boolean, withPrograms: boolean) =>
    rows.map(({ name, number, stats, ...row }) => [
      `${isShort ? (short.get(name) ?? name) : name}${number === 0 ? '' : ` ${number}`}`,
      stats.from,
      stats.to,
      `${Math.round((100 * stats.used) / stats.capacity)} %`,
      ...(isNarrow ? [] : [bytes(stats.capacity)]),
      many(row.records),
      row.bytes === undefined ? '' : rate(row.bytes).replace('/s', ''),
      many(row.full),
      many(row.wakes),
      ...(withPrograms ? [stats.programs] : []),
    ]);
  const size = reports.reduce((sum, report) => sum + report.size, 0);
  const leftOver = reports.filter(({ state }) => state === 'left over').length;
  const title =
    `${reports.length} regions, ${bytes(size)}` +
    (leftOver > 0 ? `; ${leftOver} left over by killed processes, see reap` : '');
  function* texts() {
    yield table([...headings, 'programs'], lines(false, false, true));
    yield table([...headings, 'programs'], lines(true, false, true));
    yield table(headings, lines(true, false, false));
    yield table(narrowHeadings, lines(true, true, false));
  }
  return `${title}\n\n${fitting(width, texts())}`;
}

function programsOf({ producer, consumer }: RingStats): string {
  const [from, to] = [producer, consumer].map(({ pid }) =>
    pid === 0 ? '' : (programOf(pid) ?? ''),
  );
  return from === to ? from! : `${from!} → ${to!}`;
}

function roleCell(role: RoleStats): string {
  if (role.pid === 0) return '–';
  const state = stateOf(role);
  return state === 'attached' ? String(role.pid) : `${role.pid} ${state}`;
}
