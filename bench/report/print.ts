import CliTable from 'cli-table3';
import type { Environment } from '../environment.js';
import { type Results, spreadOf } from '../results.js';
import { microseconds, range } from './format.js';
import { tables } from './tables.js';

/** Where the figures come from, as label and value. */
export function environmentLines(host: Environment): [string, string][] {
  return [
    ['Processor', `${host.processor}, ${host.cores} cores, ${host.memory}`],
    ['System', host.system],
    ['Node', `${host.node}, V8 ${host.v8}`],
    ['tinybench', host.tinybench],
    ['C++', host.compiler],
    ['Date', host.date],
    ['Polling on', host.pinned ? `cores ${host.pinned.join(' and ')}` : 'any cores'],
    ['Load before', host.load.toFixed(2)],
  ];
}

export function printEnvironment(host: Environment): void {
  for (const [label, value] of environmentLines(host)) console.log(`${label.padEnd(15)}${value}`);
}

/** How far apart the two cores were while the figures were taken. */
export function coreToCoreLine({ coreToCore }: Results): string | undefined {
  if (!coreToCore?.length) return undefined;
  const trips = spreadOf(coreToCore);
  const all = range(trips, microseconds);
  return `From core to core and back, in C++, before each trial that polls: median ${microseconds(trips.median)} µs, ${all}.`;
}

/** What a reader of the tables has to know first. */
const legend = `
× X: how many times as fast as X: as many times the messages a second, or in less time there
and back. More than 1 is faster than X, less than 1 slower. Figures are medians of several trials.
k, M, G: thousands, millions, billions. µs: millionths of a second.`;

export function printTables(results: Results): void {
  console.log(legend);
  const line = coreToCoreLine(results);
  if (line) console.log(`\n${line}`);
  for (const { title, columns, rows } of tables(results)) {
    const table = new CliTable({
      head: [...columns],
      colAligns: columns.map((_, index) => (index === 0 ? 'left' : 'right')),
      style: { head: [], border: [], compact: true },
    });
    table.push(...rows.map(row => [...row]));
    console.log(`\n${title}\n${table.toString()}`);
  }
}
