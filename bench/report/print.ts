import CliTable from 'cli-table3';
import type { Environment } from '../environment.js';
import type { Results } from '../results.js';
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

export function printTables(results: Results): void {
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
