import type { Environment } from '../environment.js';
import { bytes, count, ratio } from '../report/format.js';
import { environmentLines } from '../report/print.js';
import { spreadOf } from '../results.js';
import type { Outcome } from './trial.js';
import { type Direction, directions, ways } from './ways.js';

/** What a run writes as JSON. */
export interface PayloadResults {
  readonly environment: Environment;
  readonly milliseconds: number;
  readonly measurements: readonly {
    readonly direction: Direction;
    readonly size: number;
    /** One for each trial. */
    readonly outcomes: readonly Outcome[];
  }[];
}

interface PayloadTable {
  title: string;
  columns: string[];
  rows: string[][];
}

const titles: Record<Direction, string> = {
  in: 'payload in',
  out: 'payload out',
  both: 'payload in and out',
};

function rate(outcomes: readonly Outcome[], label: string): number {
  return spreadOf(outcomes.flatMap(outcome => outcome[label]!)).median;
}

/** Of the same round, median over all. */
function times(outcomes: readonly Outcome[], label: string, base: string): string {
  const ratios = outcomes.flatMap(outcome =>
    outcome[label]!.map((value, round) => value / outcome[base]![round]!),
  );
  return ratio(spreadOf(ratios).median);
}

function baseline(direction: Direction, kind: 'clone' | 'transfer'): string {
  return ways[direction].find(way => way.baseline === kind)!.label;
}

/** One table for each direction. */
export function tables({ measurements }: PayloadResults): PayloadTable[] {
  return directions.map(direction => ({
    title: titles[direction],
    columns: ['way', 'size', 'tasks/s', '× cloned', '× transferred'],
    rows: measurements
      .filter(measurement => measurement.direction === direction)
      .flatMap(({ size, outcomes }) =>
        ways[direction].map(({ label }) => [
          label,
          bytes(size),
          count(rate(outcomes, label)),
          times(outcomes, label, baseline(direction, 'clone')),
          times(outcomes, label, baseline(direction, 'transfer')),
        ]),
      ),
  }));
}

/** docs/benchmarks-payloads.md; the first results in full, all of them side by side. */
export function markdown(all: readonly PayloadResults[]): string {
  const [first] = all;
  const lines = [
    '# Payloads of Piscina tasks, measured',
    '',
    '`npm run bench:payloads` measures this; with `-- --json FILE` it keeps the results, and',
    '`-- --render FILE...` writes this page from those of one or several versions of Node.',
    '',
    'A pool of 2 threads, 8 tasks under way. The task reads every 4096th byte of its payload, and',
    'so does the sender with the result. Each trial is a process in which all ways take turns;',
    'ratios are of the same round, and medians are reported. `transferred` counts the copy that a side',
    'makes first when it wants to keep its bytes. `share` copies the payload into the arena;',
    '`allocate` fills it in place. A result comes back as a copy of its own, or borrowed, where it',
    'was copied into the arena or made there.',
    '',
    'Each turn is preceded by one as long that is not counted. What the arena does is JavaScript:',
    'until V8 has compiled it, which takes some ten thousand tasks, payloads of 1 KiB take up to a',
    'third longer than by cloning.',
    '',
    ...environmentLines(first!.environment)
      .filter(([label]) => label !== 'C++' && label !== 'Polling on')
      .map(([label, value]) => `- ${label}: ${value}`),
    '',
  ];
  for (const { title, columns, rows } of tables(first!)) {
    lines.push(`## ${title[0]!.toUpperCase()}${title.slice(1)}`, '', ...grid(columns, rows), '');
  }
  lines.push('## On each Node: times cloned, and times copied and transferred', '');
  const versions = all.map(({ environment }) => `Node ${environment.node}`);
  const rows = first!.measurements.flatMap(({ direction, size }) =>
    ways[direction]
      .filter(way => !way.baseline)
      .map(({ label }) => [
        `${titles[direction]}: ${label}`,
        bytes(size),
        ...all.map(({ measurements }) => {
          const same = measurements.find(m => m.direction === direction && m.size === size);
          if (!same) return '';
          const of = (kind: 'clone' | 'transfer') =>
            times(same.outcomes, label, baseline(direction, kind));
          return `${of('clone')}, ${of('transfer')}`;
        }),
      ]),
  );
  lines.push(...grid(['way', 'size', ...versions], rows), '');
  return lines.join('\n');
}

function grid(columns: string[], rows: string[][]): string[] {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)];
}
