#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { reap } from '../native/segment.js';
import { lookAround, lookAt } from './look.js';
import { details, listTable } from './tables.js';
import { top } from './top.js';

interface Place {
  directory?: string;
}

const packageFile = new URL('../../../package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
const benchScript = fileURLToPath(new URL('../../bench/run.js', import.meta.url));

/** What `bench` measures where it is told nothing: what users have today, and what they would. */
const today = 'process-send-json,process-send-advanced,post-message,unix-socket,tcp';
const here = 'ring,ring-corked,channel,channel-spin,conn';
const values = 'process-send-structured,channel-structured';
const inClusters = 'send-down,bus-down,relay-across,bus-across';
const aMinute = [
  ...['--quick', '--only', 'throughput,structured,round-trip,bus', '--sizes', '64,65536'],
  ...['--transports', [today, here, values, inClusters].join(',')],
];

const program = new Command('mmap-transport')
  .description('Looks at the shared memory of this user, clears it up, and measures it.')
  .version(version)
  .showHelpAfterError('(mmap-transport --help tells more)')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

const command = (name: string, description: string) =>
  program
    .command(name)
    .description(description)
    .option('--directory <path>', 'region directory, in the place of the usual one');

command('ls', 'list all regions, who has them open and what is in them')
  .option('--all', 'doorbells too')
  .option('--json', 'as JSON, one array')
  .action(({ directory, all, json }: Place & { all?: true; json?: true }) => {
    const looks = lookAround(directory).filter(({ kind }) => all || kind !== 'doorbell');
    if (json) print(JSON.stringify(looks, null, 2));
    else print(looks.length === 0 ? 'no regions' : listTable(looks));
  });

command('stat', 'show one region and the counters in it')
  .argument('<region>', 'its name, or its beginning; or the path of a ring in a file')
  .option('--json', 'as JSON')
  .action((region: string, { directory, json }: Place & { json?: true }) => {
    const look = lookAt(region, directory);
    print(json ? JSON.stringify(look, null, 2) : details(look));
  });

command('top', 'show what goes through all rings, the busiest first; q ends it')
  .option('--interval <milliseconds>', 'from one look to the next', wholeNumber, 1000)
  .option('--count <n>', 'end after so many looks', wholeNumber)
  .action(top);

command('reap', 'remove what processes left that were killed').action(({ directory }: Place) => {
  const names = reap(directory);
  for (const name of names) print(name);
  console.error(`${names.length} removed`);
});

program
  .command('bench')
  .description('measure it here beside process.send and sockets, a minute; --help tells more')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[options...]')
  .action((options: string[]) => {
    const args = options.length > 0 ? options : aMinute;
    const { status } = spawnSync(process.execPath, [benchScript, ...args], { stdio: 'inherit' });
    process.exitCode = status ?? 1;
  });

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw new InvalidArgumentError('Expected a whole number from 1.');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

// Whoever reads the output may have had enough of it, as `head` has.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

try {
  await program.parseAsync();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
