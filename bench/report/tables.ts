import { flatSize } from '../plan.js';
import { type Measurement, quotient, type Results, select, spread } from '../results.js';
import { busTables } from './bus-tables.js';
import {
  frequencyCells,
  frequencyColumns,
  messages,
  rateCells,
  rateColumns,
  sizesOf,
  type Table,
} from './cells.js';
import { bytes, count, microseconds, none, range, ratio } from './format.js';

/** All tables of a run, those without rows left out, and columns without figures. */
export function tables(results: Results): Table[] {
  return [
    ...throughputTables(results),
    sweepTable(results),
    structuredTable(results),
    ...threadTables(results),
    roundTripTable(results),
    capacityTable(results),
    ringsTable(results),
    ...busTables(results),
  ]
    .filter(({ rows }) => rows.length > 0)
    .map(withoutEmptyColumns);
}

function withoutEmptyColumns({ title, columns, rows }: Table): Table {
  const filled = columns.map((_, index) => rows.some(row => row[index] !== none));
  const keep = (cells: readonly string[]) => cells.filter((_, index) => filled[index]);
  return { title, columns: keep(columns), rows: rows.map(keep) };
}

/** One table per size at which more than the rings was measured. */
function throughputTables(results: Results): Table[] {
  const all = select(results, 'throughput');
  const compared = all.filter(({ transport }) => !/^(ring|cpp)/.test(transport));
  return sizesOf(compared.length > 0 ? compared : all).map(size => {
    const times = (measurement: Measurement, transport: string) =>
      ratio(quotient(measurement, select(results, 'throughput', { transport, size })[0], messages));
    return {
      title: `Between processes, ${bytes(size)}`,
      columns: [
        ...rateColumns,
        '× process.send advanced',
        '× Unix socket',
        '× C++',
        '× C++ corked',
      ],
      rows: select(results, 'throughput', { size }).map(measurement => [
        ...rateCells(measurement),
        times(measurement, 'process-send-advanced'),
        times(measurement, 'unix-socket'),
        times(measurement, 'cpp'),
        times(measurement, 'cpp-corked'),
      ]),
    };
  });
}

function sweepTable(results: Results): Table {
  const cell = (of: Measurement | undefined) => (of ? count(spread(of, messages).median) : none);
  const times = (of: Measurement | undefined, base: Measurement | undefined) =>
    ratio(quotient(of, base, messages));
  return {
    title: 'The ring and the same ring in C++, messages/s between processes',
    columns: [
      'size',
      'C++',
      'ring',
      'ring / C++',
      'C++ corked',
      'ring corked',
      'corked / C++ corked',
      'C++ copied out',
      'copied out',
      'copied out / C++ copied out',
    ],
    rows: sizesOf(select(results, 'throughput', { transport: 'cpp' })).map(size => {
      const of = (transport: string) => select(results, 'throughput', { transport, size })[0];
      const [cpp, ring] = [of('cpp'), of('ring')];
      const [cppCorked, corked] = [of('cpp-corked'), of('ring-corked')];
      const [cppCopied, copied] = [of('cpp-copied'), of('ring-copied')];
      return [
        bytes(size),
        cell(cpp),
        cell(ring),
        times(ring, cpp),
        cell(cppCorked),
        cell(corked),
        times(corked, cppCorked),
        cell(cppCopied),
        cell(copied),
        times(copied, cppCopied),
      ];
    }),
  };
}

function structuredTable(results: Results): Table {
  const base = select(results, 'structured', { transport: 'process-send-structured' })[0];
  return {
    title: 'A structured value of ten fields, about 150 B, between processes',
    columns: [...rateColumns, '× process.send advanced'],
    rows: select(results, 'structured').map(measurement => [
      ...rateCells(measurement),
      ratio(quotient(measurement, base, messages)),
    ]),
  };
}

function threadTables(results: Results): Table[] {
  return sizesOf(select(results, 'threads')).map(size => {
    const base = select(results, 'threads', { transport: 'post-message', size })[0];
    return {
      title: `Between threads, ${bytes(size)}`,
      columns: [...rateColumns, '× postMessage'],
      rows: select(results, 'threads', { size }).map(measurement => [
        ...rateCells(measurement),
        ratio(quotient(measurement, base, messages)),
      ]),
    };
  });
}

function roundTripTable(results: Results): Table {
  const base = (transport: string) => select(results, 'round-trip', { transport })[0];
  const all = select(results, 'round-trip');
  return {
    title: `Round trip of ${all[0] ? bytes(all[0].size) : 'a message'}, microseconds`,
    columns: [
      '',
      'between',
      'p50',
      'lowest – highest p50',
      'p99',
      '× process.send advanced',
      '× Unix socket',
      '× C++',
    ],
    rows: all.map(measurement => {
      const p50 = spread(measurement, 'p50');
      return [
        measurement.label,
        measurement.place === 'process' ? 'processes' : 'threads',
        microseconds(p50.median),
        range(p50, microseconds),
        microseconds(spread(measurement, 'p99').median),
        ratio(quotient(base('process-send-advanced'), measurement, 'p50')),
        ratio(quotient(base('unix-socket'), measurement, 'p50')),
        ratio(quotient(base('cpp'), measurement, 'p50')),
      ];
    }),
  };
}

function capacityTable(results: Results): Table {
  const all = select(results, 'flat', { transport: 'ring' });
  const base = all[0];
  return {
    title: `One ring by its capacity, ${bytes(flatSize)}`,
    columns: ['capacity', ...frequencyColumns, '× the first'],
    rows: all.map(measurement => flatCells(bytes(measurement.capacity), measurement, base)),
  };
}

function ringsTable(results: Results): Table {
  const all = select(results, 'flat', { transport: 'ring-many' });
  const base = all[0];
  return {
    title: `Rings polled by one loop, ${bytes(flatSize)}`,
    columns: ['rings', 'messages/s, all together', 'lowest – highest', '× one ring'],
    rows: all.map(measurement =>
      flatCells(`${measurement.rings} of ${bytes(measurement.capacity)}`, measurement, base),
    ),
  };
}

function flatCells(
  name: string,
  measurement: Measurement,
  base: Measurement | undefined,
): string[] {
  return [name, ...frequencyCells(measurement), ratio(quotient(measurement, base, messages))];
}
