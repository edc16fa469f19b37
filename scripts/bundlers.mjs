// Tries the package in programs that a bundler has made: `npm run bundlers`. It installs the bundlers
// in a temporary folder. docs/bundlers.md has the results; esbuild is tried in the suite as well.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundlers, makeNext, packages } from './bundlers/bundlers.mjs';
import { npm, root } from './packages.mjs';

const work = mkdtempSync(join(tmpdir(), 'mmap-transport-bundlers-'));
const project = join(work, 'project');
const wanted = process.argv.slice(2);
let failed = 0;

try {
  install();
  for (const bundler of bundlers) if (isWanted(bundler.name)) tryBundler(bundler);
  if (isWanted('SEA')) trySea();
  if (isWanted('Next.js')) await tryNext();
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;

function isWanted(name) {
  return wanted.length === 0 || wanted.some(one => name.startsWith(one));
}

function install() {
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  npm(['pack', '--ignore-scripts', '--silent', '--pack-destination', work], { stdio: 'ignore' });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const specs = Object.entries(packages).map(([name, which]) => `${name}@${which}`);
  const tarball = join(work, `mmap-transport-${version}.tgz`);
  npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent', tarball, ...specs], {
    cwd: project,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  writeFileSync(
    join(project, 'trial.mjs'),
    `import { Ring } from 'mmap-transport';
export function trial() {
  const ring = Ring.create({ capacity: 4096 });
  ring.producer().writeSync(Buffer.from('works'));
  const text = Buffer.from(ring.consumer().readSync()).toString();
  ring.close();
  return text;
}
`,
  );
  writeFileSync(
    join(project, 'program.mjs'),
    `import { trial } from './trial.mjs';\nconsole.log(trial());\n`,
  );
}

function tryBundler({ name, packages: named, file, bundle }) {
  const version = named.map(one => packages[one]).join();
  const run = (program, ...args) =>
    execFileSync(process.execPath, [join(project, 'node_modules', program), ...args], {
      cwd: project,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  const leftOut = join(project, 'left-out');
  bundle(run, project, leftOut, true);
  report(name, version, 'left out', ran([join(leftOut, file)]), 'works');

  const out = join(work, 'out');
  bundle(run, project, out, false);
  const bundled = join(out, file);
  withoutPackage(() => {
    report(name, version, 'bundled', ran([bundled]), 'ERR_UNSUPPORTED');
    const elsewhere = { MMAP_TRANSPORT_ADDON: addon() };
    report(name, version, 'with the variable', ran([bundled], elsewhere), 'works');
    copyFileSync(addon(), join(out, 'mmap-transport.node'));
    report(name, version, 'with the addon', ran([bundled]), 'works');
  });
  rmSync(out, { recursive: true });
  rmSync(leftOut, { recursive: true });
}

/** One executable file, made of Node itself and a program that esbuild has put together. */
function trySea() {
  const out = join(work, 'sea');
  mkdirSync(out);
  const tool = (program, ...args) =>
    execFileSync(process.execPath, [join(project, 'node_modules', program), ...args], {
      cwd: project,
      stdio: 'ignore',
    });
  const [, cjs] = bundlers;
  cjs.bundle(tool, project, out, false);
  const config = {
    main: join(out, cjs.file),
    output: join(out, 'blob'),
    disableExperimentalSEAWarning: true,
  };
  writeFileSync(join(out, 'sea.json'), JSON.stringify(config));
  execFileSync(process.execPath, ['--experimental-sea-config', join(out, 'sea.json')], {
    stdio: 'ignore',
  });
  const program = join(out, 'program');
  copyFileSync(process.execPath, program);
  tool(
    ...['postject/dist/cli.js', program, 'NODE_SEA_BLOB', join(out, 'blob')],
    ...['--sentinel-fuse', 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'],
  );
  const { version } = process;
  withoutPackage(() => {
    report('SEA', version, 'bundled', outcome(program, []), 'ERR_UNSUPPORTED');
    copyFileSync(addon(), join(out, 'mmap-transport.node'));
    report('SEA', version, 'with the addon', outcome(program, []), 'works');
  });
}

async function tryNext() {
  const standalone = { output: 'standalone' };
  const files = ['prebuilds/**/*', 'package.json'].map(
    path => `../node_modules/mmap-transport/${path}`,
  );
  const traced = [...files, '../node_modules/node-gyp-build/**/*'];
  const leftOut = {
    ...standalone,
    serverExternalPackages: ['mmap-transport'],
    outputFileTracingIncludes: { '/**': traced },
  };
  for (const [how, options, expected] of [
    ['left out', leftOut, 'works'],
    ['bundled', standalone, 'ERR_UNSUPPORTED'],
  ]) {
    const app = makeNext(project, { ...options, outputFileTracingRoot: project });
    const next = join(project, 'node_modules/next/dist/bin/next');
    execFileSync(process.execPath, [next, 'build'], {
      cwd: app,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' },
    });
    const moved = join(work, `next-${how.replace(' ', '-')}`);
    cpSync(join(app, '.next/standalone'), moved, { recursive: true, verbatimSymlinks: true });
    const parked = join(work, 'parked');
    renameSync(project, parked);
    try {
      report('Next.js', packages.next, how, await answer(join(moved, 'next-app')), expected);
    } finally {
      renameSync(parked, project);
    }
    rmSync(app, { recursive: true });
  }
}

/** What a server of Next.js answers. */
async function answer(folder) {
  const port = 20_000 + (process.pid % 20_000);
  const env = { ...process.env, PORT: String(port), HOSTNAME: '127.0.0.1' };
  const server = spawn(process.execPath, ['server.js'], { cwd: folder, env, stdio: 'ignore' });
  try {
    for (let tries = 0; tries < 100; tries++) {
      try {
        const response = await fetch(`http://127.0.0.1:${port}/try`);
        return await response.text();
      } catch {
        await new Promise(resolve => setTimeout(resolve, 100));
      }
    }
    return 'no answer';
  } finally {
    server.kill('SIGKILL');
  }
}

/** As on another machine: some bundlers write down where the sources lay. */
function withoutPackage(action) {
  const installed = join(project, 'node_modules/mmap-transport');
  renameSync(installed, join(work, 'hidden'));
  try {
    action();
  } finally {
    renameSync(join(work, 'hidden'), installed);
  }
}

function addon() {
  const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  const { glibcVersionRuntime } = process.report.getReport().header;
  const names = ['node.napi.node', `node.napi.${glibcVersionRuntime ? 'glibc' : 'musl'}.node`];
  return names.map(name => join(folder, name)).find(existsSync);
}

function ran(args, env) {
  return outcome(process.execPath, args, env);
}

function outcome(program, args, env = {}) {
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 30_000,
  });
  const error = /ERR_[A-Z_]+: [^\n]*/.exec(stderr)?.[0];
  return status === 0 ? stdout.trim() : (error ?? `ended with ${status}: ${stderr.slice(0, 300)}`);
}

function report(name, version, how, got, expected) {
  const isFine = got.startsWith(expected);
  if (!isFine) failed++;
  const text = got.replaceAll(work, '…').slice(0, 150);
  console.log(`${isFine ? ' ' : '!'} ${`${name} ${version}`.padEnd(22)} ${how.padEnd(18)} ${text}`);
}
