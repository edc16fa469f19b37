// npm run bench:payloads [-- --sizes 1024,65536] [--trials 5] [--milliseconds 2000] [--json FILE]
//                       [-- --render FILE...]
// Payloads of Piscina's tasks through an arena, cloned, and copied and transferred. Each
// trial is a process of its own in which all ways take turns; ratios are taken round by
// round, and medians are reported. With --render nothing is measured: results, one file for
// each Node, become docs/benchmarks-payloads.md.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { format, resolveConfig } from 'prettier';
import { environment } from './environment.js';
import { markdown, type PayloadResults, tables } from './payloads/report.js';
import { type Outcome, runTrial, type Trial } from './payloads/trial.js';
import { directions } from './payloads/ways.js';
import { printEnvironment } from './report/print.js';

async function measure(trial: Trial): Promise<Outcome> {
  const options = { execArgv: ['--expose-gc'] };
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(trial)], options);
  const exited = once(child, 'exit').then(([code]): never => {
    throw new Error(`the trial ended with ${code}`);
  });
  const answered = once(child, 'message').then(([outcome]) => outcome as Outcome);
  const outcome = await Promise.race([answered, exited]);
  await exited.catch(() => {});
  return outcome;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sizes: { type: 'string', default: '1024,65536,1048576,16777216' },
      trials: { type: 'string', default: '5' },
      milliseconds: { type: 'string', default: '2000' },
      json: { type: 'string' },
      render: { type: 'boolean', default: false },
    },
  });
  if (values.render) {
    const all = positionals.map(path => JSON.parse(readFileSync(path, 'utf8')) as PayloadResults);
    const page = fileURLToPath(new URL('../../docs/benchmarks-payloads.md', import.meta.url));
    const style = await resolveConfig(page);
    writeFileSync(page, await format(markdown(all), { ...style, filepath: page }));
    return;
  }
  const milliseconds = Number(values.milliseconds);
  const host = environment();
  printEnvironment(host);
  const measurements: PayloadResults['measurements'][number][] = [];
  for (const direction of directions) {
    for (const size of values.sizes.split(',').map(Number)) {
      const outcomes: Outcome[] = [];
      for (let turn = 0; turn < Number(values.trials); turn++) {
        outcomes.push(await measure({ direction, size, milliseconds, turn }));
      }
      measurements.push({ direction, size, outcomes });
    }
  }
  const results = { environment: host, milliseconds, measurements };
  for (const { title, columns, rows } of tables(results)) {
    const table = new Table({
      head: [title, ...columns.slice(1)],
      colAligns: columns.map((_, i) => (i === 0 ? 'left' : 'right')),
      style: { head: [], border: [], compact: true },
    });
    table.push(...rows);
    console.log(table.toString());
  }
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
  }
}

const [trial] = process.argv.slice(2);
if (process.send && trial?.startsWith('{')) {
  const outcome = await runTrial(JSON.parse(trial) as Trial);
  process.send(outcome, () => process.disconnect());
} else {
  await main();
}
