// Measures the transports against each other, prints tables and writes the results.
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import type { Cores } from './cores.js';
import { environment } from './environment.js';
import { killRunning, launch } from './launch.js';
import { type Options, parseOptions, usage } from './options.js';
import { plan } from './plan.js';
import { printEnvironment, printTables } from './report/print.js';
import type { Measurement, Results } from './results.js';
import { isProgram, transport } from './transports/registry.js';
import type { Outcome } from './trial.js';
import { makeWorkplace, removeWorkplace, type Workplace } from './workplace.js';

/** Time a trial may take, beyond what is measured, to start, to calibrate and to end. */
const allowanceMilliseconds = 15_000;

/** A look at how far apart the cores are: short against the trial that follows. */
const probe = { transport: 'cpp', kind: 'round-trip', size: 64, milliseconds: 10 } as const;

const options = readOptions();
if (options.help) console.log(usage);
else if (options.render) await orRefuse(async () => writeDocs(options.render!.map(readResults)));
else await run(options);

async function run(options: Options): Promise<void> {
  // Before anything is measured: whether the results can be kept.
  if (options.json) await orRefuse(() => closeSync(openSync(options.json!, 'a')));
  const workplace = makeWorkplace();
  // It still clears up when the signal comes twice, from Ctrl-C and from the command behind it.
  const stop = (code: number): void => {
    killRunning();
    removeWorkplace(workplace);
    process.exit(code);
  };
  process.on('SIGINT', () => stop(130));
  process.on('SIGTERM', () => stop(143));
  process.on('SIGHUP', () => stop(129));
  try {
    const host = environment();
    printEnvironment(host);
    if (workplace.reason) console.log(`C++ left out: ${workplace.reason}`);
    const { measurements, coreToCore, failures } = await measureAll(
      options,
      workplace,
      host.pinned,
    );
    const { trials, milliseconds } = options;
    const results: Results = {
      environment: host,
      trials,
      milliseconds,
      measurements,
      coreToCore,
    };

    printTables(results);
    if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
    if (options.whole && failures.length === 0) await writeDocs([results]);
    for (const failure of failures) console.error(`failed: ${failure}`);
    if (failures.length > 0) process.exitCode = 1;
  } finally {
    removeWorkplace(workplace);
  }
}

/** Trials of a group take turns, so that a drift of the machine hits all alike. */
async function measureAll(options: Options, workplace: Workplace, cores?: Cores) {
  const measurements: Measurement[] = [];
  const coreToCore: number[] = [];
  const failures: string[] = [];
  for (const { suite, subjects } of plan(options.suites, options.sizes)) {
    const group = subjects
      .filter(({ transport: name }) => options.transports?.includes(name) ?? true)
      .filter(({ transport: name }) => workplace.program || !isProgram(transport(name)))
      .map(subject => ({ subject, outcomes: [] as Outcome[] }));
    for (let trial = 1; trial <= options.trials; trial++) {
      for (const { subject, outcomes } of group) {
        const { milliseconds } = options;
        const deadline = Date.now() + 4 * milliseconds + allowanceMilliseconds;
        const what = `${suite} ${subject.transport}, ${subject.size} B, trial ${trial}`;
        const pinned = cores && transport(subject.transport).polls;
        const order = { ...subject, milliseconds, deadline, ...(pinned && { cores }) };
        progress(what);
        try {
          if (pinned && workplace.program) {
            coreToCore.push((await launch({ ...order, ...probe }, workplace)).p50!);
          }
          outcomes.push(await launch(order, workplace));
        } catch (error) {
          failures.push(`${what}: ${(error as Error).message}`);
        }
      }
    }
    for (const { subject, outcomes } of group) {
      const { label } = transport(subject.transport);
      if (outcomes.length > 0) measurements.push({ suite, label, ...subject, outcomes });
    }
  }
  progress('');
  return { measurements, coreToCore, failures };
}

/** A file that cannot be read or written is the caller's mistake. */
async function orRefuse(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

/** One line, rewritten, and only in a terminal. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

/** Loaded when it is needed: what it needs does not come with the package. */
async function writeDocs(results: Results[]): Promise<void> {
  await (await import('./report/docs.js')).writeDocs(results);
}

function readResults(path: string): Results {
  return JSON.parse(readFileSync(path, 'utf8')) as Results;
}

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}
