import Table from 'cli-table3';
import type { RingStats, RoleStats } from '../transport/ring/stats.js';
import { fitting, programOf, shortNames, terminalWidth } from './fitting.js';
import type { TopicStats } from '../transport/topic/stats.js';
import { bytes, count } from './number-format.js';
import type { ArenaSummary } from './inspect.js';
import type { RegionReport } from './region-report.js';

const noBorders = Object.fromEntries(
  ['top', 'bottom', 'mid', 'left', 'right', 'middle'].flatMap(side =>
    ['', '-mid', '-left', '-right', '-top', '-bottom'].map(end => [side + end, '']),
  ),
);

/** Columns separated by two spaces; a heading that begins with `>` aligns its column right. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const made = new Table({
    head: headings.map(heading => heading.replace(/^>/, '').toUpperCase()),
    colAligns: headings.map(heading => (heading.startsWith('>') ? 'right' : 'left')),
    chars: { ...noBorders, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  });
  made.push(...rows.map(row => [...row]));
  return made
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n');
}

/** With short names, and without the programs, where a terminal is too narrow. */
export function listTable(reports: readonly RegionReport[], width = terminalWidth()): string {
  const short = shortNames(reports.map(({ name }) => name));
  const rows = (isShort: boolean, withPrograms: boolean) =>
    reports.map(({ name, kind, size, state, pids, content, problem }) => [
      isShort ? (short.get(name) ?? name) : name,
      kind,
      bytes(size),
      state,
      pids?.join(' ') ?? '?',
      ...(withPrograms ? [programsOf(pids)] : []),
      problem ?? (content ? summary(content) : ''),
    ]);
  const headings = ['name', 'kind', '>size', 'state', 'processes', 'holds'];
  const withProgram = [...headings.slice(0, -1), 'program', 'holds'];
  function* texts() {
    yield table(withProgram, rows(false, true));
    yield table(withProgram, rows(true, true));
    yield table(headings, rows(true, false));
  }
  return fitting(width, texts());
}

function programsOf(pids: readonly number[] | undefined): string {
  return [...new Set(pids?.map(programOf))].filter(name => name !== undefined).join(' ');
}

function summary(content: NonNullable<RegionReport['content']>): string {
  if (content.kind === 'memory') return '';
  if (content.kind === 'arena') {
    const { parts, partsInUse, tasks } = content.arena;
    return `${partsInUse} of ${parts} parts in use, ${tasks} tasks`;
  }
  if (content.kind === 'topic') return topicSummary(content.topic);
  return content.rings.map(ring => `${bytes(ring.used)} of ${bytes(ring.capacity)}`).join(', ');
}

/** A region in full, as lines of labels and values. */
export function details({ name, kind, path, size, state, pids, content }: RegionReport): string {
  const lines: [string, string][] = [
    ['name', name],
    ['kind', kind],
    ['path', path],
    ['size', `${bytes(size)} (${size} bytes)`],
    ['state', state],
  ];
  if (pids) lines.push(['processes', pids.join(' ') || 'none seen']);
  if (content?.kind === 'arena') lines.push(...arenaLines(content.arena));
  if (content?.kind === 'topic') lines.push(...topicLines(content.topic));
  const rings = content && 'rings' in content ? content.rings : [];
  const text = lines.map(([label, value]) => `${label.padEnd(12)}${value}`).join('\n');
  const parts = content?.kind === 'topic' ? [text, readerTable(content.topic)] : [text];
  return [...parts, ...rings.map((ring, index) => ringText(ring, index, rings.length))].join(
    '\n\n',
  );
}

/** Bytes that the slowest reader is behind. */
export function furthestBehind({ readers }: TopicStats): number {
  return readers.reduce((most, { behind }) => Math.max(most, behind), 0);
}

function topicSummary(topic: TopicStats): string {
  const { name, readers } = topic;
  const state = `${readers.length} readers, the slowest ${bytes(furthestBehind(topic))} behind`;
  return name === '' ? state : `${name}: ${state}`;
}

function topicLines(topic: TopicStats): [string, string][] {
  const { name, capacity, records, position, publisher, fullCount, wakes } = topic;
  const { pid, state } = publisher;
  return [
    ['topic', name || 'without a name'],
    ['capacity', bytes(capacity)],
    ['published', `${count(records)} records, ${bytes(position)}`],
    ['publisher', state === 'never' ? 'nobody yet' : `process ${pid}, ${state}`],
    ['held back', `${count(fullCount)} times`],
    ['woke', `${count(wakes)} sleeping readers`],
  ];
}

function readerTable({ readers }: TopicStats): string {
  if (readers.length === 0) return 'no readers';
  return table(
    ['reader', '>behind', '>missed', 'when behind', 'state'],
    readers.map(({ pid, behind, missed, whenBehind, sleeping }) => [
      String(pid),
      bytes(behind),
      count(missed),
      whenBehind,
      sleeping ? 'sleeping' : 'awake',
    ]),
  );
}

function arenaLines({ parts, partBytes, partsInUse, tasks, debug }: ArenaSummary) {
  const lines: [string, string][] = [
    ['parts', `${partsInUse} of ${parts} in use, ${bytes(partBytes)} each`],
    ['tasks', String(tasks)],
    ['debug', debug ? 'yes' : 'no'],
  ];
  return lines;
}

function ringText(ring: RingStats, index: number, of: number): string {
  const { capacity, used, recordsWritten, recordsRead, fullCount } = ring;
  const percent = Math.round((100 * used) / capacity);
  const lines: [string, string][] = [
    ['used', `${bytes(used)} of ${bytes(capacity)}, ${percent} %`],
    ['written', count(recordsWritten)],
    ['read', count(recordsRead)],
    ['found full', `${count(fullCount)} times`],
    ['producer', roleSentence(ring.producer)],
    ['consumer', roleSentence(ring.consumer)],
  ];
  const title = of === 1 ? 'ring' : `ring ${index + 1}`;
  return [title, ...lines.map(([label, value]) => `  ${label.padEnd(12)}${value}`)].join('\n');
}

function roleSentence(role: RoleStats): string {
  if (role.pid === 0) return 'nobody yet';
  return `process ${role.pid}, ${stateOf(role)}, woke the other side ${count(role.wakes)} times`;
}

/**
 * The holder's last word was `attached`, but the kernel says that the lock is free: it was killed.
 */
export function stateOf({ state, alive }: RoleStats): RoleStats['state'] | 'killed' {
  return state === 'attached' && !alive ? 'killed' : state;
}
