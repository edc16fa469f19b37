// Tries what works in Bun and Deno, each feature in a process of its own: `npm run runtimes`. It
// fetches both as npm packages. docs/platforms.md has the results.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetched } from './packages.mjs';

const features = fileURLToPath(new URL('runtimes/features.mjs', import.meta.url));
const { names } = await import('./runtimes/features.mjs');

const runtimes = {
  node: () => [process.execPath, []],
  bun: () => [join(fetched('@oven/bun-linux-x64', '1.4.5'), 'bin/bun'), ['run']],
  deno: () => [join(fetched('@deno/linux-x64-glibc', '2.9.6'), 'deno'), ['run', '-A']],
};

const wanted = process.argv.slice(2);
let failed = 0;
for (const [name, find] of Object.entries(runtimes)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const [program, options] = find();
  for (const feature of names) {
    const { result, left } = tried(program, [...options, features, feature]);
    // What does not work there says so, ends nothing and leaves nothing.
    const isFine = /^(works|ERR_UNSUPPORTED)/.test(result) && left.length === 0;
    if (!isFine) failed++;
    console.log(
      `${name.padEnd(5)} ${feature.padEnd(32)} ${result}${left.length > 0 ? `; left ${left.join()}` : ''}`,
    );
  }
}
process.exitCode = failed === 0 ? 0 : 1;

function tried(program, args) {
  const directory = mkdtempSync(join(tmpdir(), 'mmap-transport-runtime-'));
  try {
    const env = {
      ...process.env,
      MMAP_TRANSPORT_DIR: join(directory, 'regions'),
      TRY_IN: directory,
    };
    const run = spawnSync(program, args, { encoding: 'utf8', env, timeout: 20_000 });
    const last = run.stdout.trim().split('\n').at(-1);
    const ending = `ended with ${run.signal ?? run.status}: ${run.stderr.slice(0, 200)}`;
    return { result: run.status === 0 ? last : ending, left: leftIn(env.MMAP_TRANSPORT_DIR) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function leftIn(directory) {
  try {
    return readdirSync(directory);
  } catch {
    return []; // never made
  }
}
