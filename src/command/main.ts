#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { reap } from '../native/reap.js';
import { type RegionReport, reportAll, reportOne, directoryFor } from './region-report.js';
import { details, listTable } from './tables.js';
import { top, watch } from './top.js';

interface DirectoryOption {
  directory?: string;
}

interface ListOptions extends DirectoryOption {
  all?: true;
  json?: true;
  watch?: true;
}

const packageFile = new URL('../../../package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
const benchScript = fileURLToPath(new URL('../../bench/run.js', import.meta.url));

const program = new Command('mmap-transport')
  .description('Looks at the shared memory of this user, clears it up, and measures it.')
  .version(version)
  .showHelpAfterError('(see mmap-transport --help)')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

const command = (name: string, description: string) =>
  program
    .command(name)
    .description(description)
    .option('--directory <path>', 'region directory, instead of the default');

command('ls', 'list all regions, who has them open and what is in them')
  .option('--all', 'doorbells too')
  .option('--json', 'as JSON, one array')
  .option('--watch', 'again every second, until q')
  .action(async ({ directory, all, json, watch: again }: ListOptions) => {
    const reports = () => reportAll(directory).filter(({ kind }) => all || kind !== 'doorbell');
    const text = (found: RegionReport[], width?: number) =>
      found.length === 0 ? 'no regions' : listTable(found, width);
    if (json) print(JSON.stringify(reports(), null, 2));
    else if (again) await watch(width => text(reports(), width));
    else print(text(reports()));
  });

command('stat', 'show one region and the counters in it')
  .argument('<region>', 'its name, or its beginning; or the path of a ring or topic in a file')
  .option('--json', 'as JSON')
  .action((region: string, { directory, json }: DirectoryOption & { json?: true }) => {
    const report = reportOne(region, directory);
    print(json ? JSON.stringify(report, null, 2) : details(report));
  });

command('top', 'show what goes through all rings and topics, the busiest first; q ends it')
  .option('--interval <milliseconds>', 'time between updates', wholeNumber, 1000)
  .option('--count <n>', 'stop after this many updates', wholeNumber)
  .action(top);

command('reap', 'remove what killed processes left behind').action(
  ({ directory }: DirectoryOption) => {
    const place = directoryFor(directory);
    const names = place === undefined ? [] : reap(place);
    for (const name of names) print(name);
    console.error(`${names.length} removed`);
  },
);

program
  .command('bench')
  .description('measure it here beside process.send and sockets, a minute; see --help')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[options...]')
  .action(bench);

/** In a process of its own, which clears up when it gets a signal to end. */
async function bench(options: string[]): Promise<void> {
  const args = options.length > 0 ? options : ['--brief'];
  const child = spawn(process.execPath, [benchScript, ...args], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
}

function wholeNumber(text: string): number {
  const most = 2 ** 31 - 1;
  if (/^\d+$/.test(text) && Number(text) > 0 && Number(text) <= most) return Number(text);
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${most}, got ${text}.`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

// The reader of the output may close it early, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

try {
  await program.parseAsync();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
