// npm run bench:payloads [-- --sizes 1024,65536] [--trials 5] [--milliseconds 500] [--json FILE]:
// payloads of Piscina's tasks through an arena, cloned, and copied and transferred. Each
// trial is a process of its own in which all ways run; medians over the trials are told,
// and ratios are taken within a trial.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { environment } from './environment.js';
import { runTrial, type Outcome, type Trial } from './payloads/trial.js';
import { type Direction, directions, ways } from './payloads/ways.js';
import { bytes, count, ratio } from './report/format.js';
import { printEnvironment } from './report/print.js';

/** What a run writes as JSON. */
export interface PayloadResults {
  readonly environment: ReturnType<typeof environment>;
  readonly milliseconds: number;
  readonly measurements: readonly {
    readonly direction: Direction;
    readonly size: number;
    /** One for each trial. */
    readonly outcomes: readonly Outcome[];
  }[];
}

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

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

function print({ measurements }: PayloadResults): void {
  for (const direction of directions) {
    const row = ways[direction];
    const clone = row.find(({ baseline }) => baseline === 'clone')!.label;
    const transfer = row.find(({ baseline }) => baseline === 'transfer')!.label;
    const table = new Table({
      head: [`payload ${direction}`, 'size', 'tasks/s', '× cloned', '× transferred'],
      colAligns: ['left', 'right', 'right', 'right', 'right'],
      style: { head: [], border: [], compact: true },
    });
    for (const { size, outcomes } of measurements.filter(m => m.direction === direction)) {
      for (const { label } of row) {
        const of = (base: string) =>
          ratio(median(outcomes.map(outcome => outcome[label]! / outcome[base]!)), 1);
        const rate = median(outcomes.map(outcome => outcome[label]!));
        table.push([label, bytes(size), count(rate), of(clone), of(transfer)]);
      }
    }
    console.log(table.toString());
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      sizes: { type: 'string', default: '1024,65536,1048576,16777216' },
      trials: { type: 'string', default: '5' },
      milliseconds: { type: 'string', default: '500' },
      json: { type: 'string' },
    },
  });
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
  print(results);
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
