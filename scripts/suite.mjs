// Runs the test suite on other Nodes than this one, with the prebuilt addon that their users
// get: `npm run suite -- 22 24 26 wine`. `wine` is Node for Windows under Debian's Wine,
// `arm64` Node for arm64 under qemu, with a part of the suite. With `--short` before, as in CI, the
// files below are left out; with `--only=REGEX` all whose path below test/ does not match, as in
// `--only=^transport/link/`. Needs `npm run prebuild` before.
// A version that cannot be run is reported, and counts as a failure.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Arm64 } from './arm64.mjs';
import { nodeProgram, nodes, root } from './packages.mjs';
import { Wine } from './wine.mjs';

process.chdir(root);
const { values, positionals: words } = parseArgs({
  options: { short: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
  allowPositionals: true,
});
const isShort = values.short;
const only = new RegExp(values.only);
/** What `--short` leaves out: what is around the package. */
const long = /^(bench|docs|examples|fuzz|model|package|realms)\//;
/** Under Wine also: hundreds of processes, and much work that has little to do with the system. */
const longUnderWine =
  /^transport\/(cluster\/pm2|bus\/soak|piscina\/ownership|codec\/(plain|codec)|ring\/ring-(corrupt|death))\./;
const mocha = ['--enable-source-maps', '--expose-gc', 'node_modules/mocha/bin/mocha.js'];
// Without .mocharc.json, whose files would all run too.
const oneFile = [
  ...['--no-config', '--exit', '--timeout', '120000'],
  ...['--require', 'dist/test/support/hooks.js'],
  ...['--reporter', 'dist/test/support/reporter.js'],
];
/** Of one process, where the whole suite may run in one. */
const longest = 600_000;
/** Of one file's process under Wine, where a hang must not take the rest with it. */
const longestUnderWine = 180_000;

const others = { wine: underWine, arm64: onArm64 };
let failed = false;
for (const word of words) {
  const started = performance.now();
  let line;
  try {
    line = others[word]?.() ?? onNode(nodes[word] ?? word);
  } catch (error) {
    console.error(error);
    line = `not run: ${error.message}`;
  }
  if (!/ 0 failed/.test(line)) failed = true;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${word}: ${line}`);
  console.log(`(${word} took ${seconds} s)`);
}
if (failed) process.exitCode = 1;

function onNode(version) {
  const program = nodeProgram(version);
  const chosen = isShort || values.only ? [...oneFile, ...testFiles()] : [];
  const { counts, ended } = run(program, [...mocha, ...chosen], {
    timeout: longest,
    env: { ...process.env, PREBUILDS_ONLY: '1' },
  });
  return ended ?? told(counts);
}

function underWine() {
  const wine = new Wine();
  const env = { ...wine.environment, PREBUILDS_ONLY: '1' };
  try {
    const files = testFiles(name => !isShort || !longUnderWine.test(name));
    const options = { timeout: longestUnderWine, env };
    const sum = fileByFile('wine', [wine.program], options, files);
    const leftovers = wine.leftovers();
    if (leftovers.length > 0) {
      console.log(`left in region directories, and in use: ${leftovers.join(', ')}`);
      sum[1]++;
    }
    return told(sum);
  } finally {
    wine.stop();
  }
}

/** Mapped memory, rings, channels, connections and the bus; the others would take hours. */
function onArm64() {
  const { program, options } = new Arm64();
  const env = { ...process.env, PREBUILDS_ONLY: '1' };
  const chosen =
    /^(native\/(cursor|map-file|map-mem|pages-everywhere|streams)|transport\/(ring\/ring(-async)?|channel\/channel(-link)?|conn\/listen|bus\/bus))\./;
  const files = testFiles(name => chosen.test(name));
  return told(fileByFile(program, options, { timeout: longest, env }, files));
}

/** The suite's files, by their path below dist/test. */
function testFiles(isWanted = () => true) {
  return readdirSync('dist/test', { recursive: true })
    .filter(name => name.endsWith('.test.js') && only.test(name))
    .filter(name => !(isShort && long.test(name)) && isWanted(name))
    .sort()
    .map(name => join('dist/test', name));
}

/** Each file in a process of its own, so that none takes the rest with it. */
function fileByFile(command, first, options, files) {
  const sum = [0, 0, 0];
  for (const path of files) {
    const { counts, ended } = run(command, [...first, ...mocha, ...oneFile, path], options);
    if (ended) {
      console.log(`${path}: ${ended}`);
      sum[1]++;
    }
    counts.forEach((count, i) => (sum[i] += count));
  }
  return sum;
}

/** @returns what the last line of our reporter counts, and how it ended if that was badly */
function run(command, args, options) {
  // Into a file: a child that outlives the run would keep a pipe open, and under Wine the standard
  // output must be a file.
  const folder = mkdtempSync(join(tmpdir(), 'mmap-transport-suite-'));
  const file = join(folder, 'report');
  const output = openSync(file, 'w');
  const { status, signal, error } = spawnSync(command, args, {
    ...options,
    stdio: ['ignore', output, output],
    killSignal: 'SIGKILL',
  });
  closeSync(output);
  const stdout = readFileSync(file, 'utf8').replaceAll('\r', '');
  rmSync(folder, { recursive: true });
  const counted = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(stdout);
  const counts = counted ? counted.slice(1).map(Number) : [0, 0, 0];
  // From the report only failures, and why something was left out.
  const report = counts[1] > 0 || !counted ? stdout : reasonsIn(stdout);
  if (report) process.stdout.write(report);
  if (counted) return { counts };
  return { counts, ended: `it ended with ${error?.message ?? signal ?? status}` };
}

function reasonsIn(report) {
  return [...report.matchAll(/^ *skipped: .*\n/gm)].join('');
}

function told([passed, failures, skipped]) {
  return `${passed} passed, ${failures} failed, ${skipped} skipped`;
}
