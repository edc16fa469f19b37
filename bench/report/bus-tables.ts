import { busWays } from '../plan.js';
import { type Measurement, quotient, type Results, select, spread } from '../results.js';
import { frequencyCells, frequencyColumns, messages, sizesOf, type Table } from './cells.js';
import type { Content } from '../trial.js';
import { bytes, microseconds, range, ratio } from './format.js';

/** The bus of a cluster beside what `cluster` itself offers, each pair measured in turns. */
export function busTables(results: Results): Table[] {
  const all = select(results, 'bus').filter(({ kind }) => kind === 'throughput');
  const throughput = sizesOf(all).flatMap(size =>
    contents.map(content => throughputTable(results, size, content)),
  );
  return [...throughput, roundTripTable(results)];
}

const contents: Content[] = ['fields', 'list'];

function throughputTable(results: Results, size: number, content: Content): Table {
  const find = (transport: string): Measurement | undefined =>
    select(results, 'bus', { transport, size, content, kind: 'throughput' })[0];
  const what = content === 'list' ? ', half of it a list of small objects' : '';
  return {
    title: `Bus: structured values of about ${bytes(size)} in a cluster${what}`,
    columns: ['', ...frequencyColumns, '× process.send'],
    rows: busWays.flatMap(ways =>
      ways.flatMap(name => {
        const measurement = find(name);
        const base = find(ways.at(-1)!);
        if (!measurement) return [];
        const times = ratio(quotient(measurement, base, messages));
        return [[measurement.label, ...frequencyCells(measurement), times]];
      }),
    ),
  };
}

function roundTripTable(results: Results): Table {
  const all = select(results, 'bus', { kind: 'round-trip' });
  const relay = all.find(({ transport }) => transport === 'relay-across');
  return {
    title: 'Bus: round trip between two workers, microseconds',
    columns: ['', 'p50', 'lowest – highest p50', 'p99', '× relayed'],
    rows: all.map(measurement => {
      const p50 = spread(measurement, 'p50');
      return [
        measurement.label,
        microseconds(p50.median),
        range(p50, microseconds),
        microseconds(spread(measurement, 'p99').median),
        ratio(quotient(relay, measurement, 'p50')),
      ];
    }),
  };
}
