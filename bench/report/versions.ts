import {
  type Figure,
  type Measurement,
  quotient,
  type Results,
  select,
  spread,
} from '../results.js';
import type { SuiteName } from '../plan.js';
import { count, microseconds, none, ratio } from './format.js';
import { messages, type Table } from './cells.js';

interface Row {
  readonly name: string;
  readonly value: (results: Results) => string;
}

type Find = (results: Results) => Measurement | undefined;

const find =
  (suite: SuiteName, transport: string, size: number): Find =>
  results =>
    select(results, suite, { transport, size })[0];

const advanced = find('throughput', 'process-send-advanced', 64);
const ring = find('throughput', 'ring', 64);
const corked = find('throughput', 'ring-corked', 64);
const copied = find('throughput', 'ring-copied', 65536);
const socket = find('throughput', 'unix-socket', 65536);
const blocking = find('round-trip', 'ring-blocking', 64);

const shown =
  (of: Find, figure: Figure, format: (value: number) => string): Row['value'] =>
  results => {
    const found = of(results);
    return found ? format(spread(found, figure).median) : none;
  };

const times =
  (of: Find, base: Find, figure: Figure = messages): Row['value'] =>
  results =>
    ratio(quotient(of(results), base(results), figure));

const rows: readonly Row[] = [
  { name: 'process.send advanced, 64 B, messages/s', value: shown(advanced, messages, count) },
  { name: 'ring, 64 B, messages/s', value: shown(ring, messages, count) },
  { name: '× process.send advanced', value: times(ring, advanced) },
  { name: '× C++', value: times(ring, find('throughput', 'cpp', 64)) },
  { name: 'ring corked, 64 B, messages/s', value: shown(corked, messages, count) },
  { name: '× C++ corked', value: times(corked, find('throughput', 'cpp-corked', 64)) },
  { name: 'ring copied out, 64 KiB, messages/s', value: shown(copied, messages, count) },
  { name: '× Unix socket', value: times(copied, socket) },
  { name: 'ring, blocking, round trip p50, µs', value: shown(blocking, 'p50', microseconds) },
  { name: '× C++ round trip', value: times(blocking, find('round-trip', 'cpp', 64), 'p50') },
];

/** The main figures of runs under different Nodes, side by side. */
export function versionsTable(runs: readonly Results[]): Table {
  return {
    title: 'By Node version',
    columns: ['', ...runs.map(({ environment }) => environment.node)],
    rows: rows.map(({ name, value }) => [name, ...runs.map(value)]),
  };
}
