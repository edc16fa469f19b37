import type { Figure, Results } from '../results.js';
import type { SuiteName } from '../plan.js';
import { count, microseconds, none, ratio } from './format.js';
import { median, type Table } from './tables.js';

interface Row {
  readonly name: string;
  readonly value: (results: Results) => string;
}

function figure(
  suite: SuiteName,
  transport: string,
  size: number,
  kind: Figure = 'messagesPerSecond',
): (results: Results) => number | undefined {
  return results => median(results, suite, { transport, size }, kind);
}

const advanced = figure('throughput', 'process-send-advanced', 64);
const ring = figure('throughput', 'ring', 64);
const corked = figure('throughput', 'ring-corked', 64);
const copied = figure('throughput', 'ring-copied', 65536);
const socket = figure('throughput', 'unix-socket', 65536);
const blocking = figure('round-trip', 'ring-blocking', 64, 'p50');

const shown = (of: typeof ring, format: (value: number) => string): Row['value'] => {
  return results => {
    const value = of(results);
    return value === undefined ? none : format(value);
  };
};

const rows: readonly Row[] = [
  { name: 'process.send advanced, 64 B, messages/s', value: shown(advanced, count) },
  { name: 'ring, 64 B, messages/s', value: shown(ring, count) },
  { name: '× process.send advanced', value: results => ratio(ring(results), advanced(results)) },
  {
    name: '× C++',
    value: results => ratio(ring(results), figure('throughput', 'cpp', 64)(results)),
  },
  { name: 'ring corked, 64 B, messages/s', value: shown(corked, count) },
  {
    name: '× C++ corked',
    value: results => ratio(corked(results), figure('throughput', 'cpp-corked', 64)(results)),
  },
  { name: 'ring copied out, 64 KiB, messages/s', value: shown(copied, count) },
  { name: '× Unix socket', value: results => ratio(copied(results), socket(results)) },
  { name: 'ring, blocking, round trip p50, µs', value: shown(blocking, microseconds) },
  {
    name: '× C++ round trip',
    value: results => ratio(blocking(results), figure('round-trip', 'cpp', 64, 'p50')(results)),
  },
];

/** The main figures of runs under different Nodes, side by side. */
export function versionsTable(runs: readonly Results[]): Table {
  return {
    title: 'By Node version',
    columns: ['', ...runs.map(({ environment }) => environment.node)],
    rows: rows.map(({ name, value }) => [name, ...runs.map(value)]),
  };
}
