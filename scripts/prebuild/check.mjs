// What every prebuilt addon must be, whatever loads it.
import { basename } from 'node:path';
import { readBinary } from './binary.mjs';

/** The two symbols by which Node loads an addon. */
const entry = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

/**
 * What zig adds and cannot hide: its stack unwinder's functions in a DLL, and in a dylib the
 * compiler's own helpers, as weak symbols that no other library binds to.
 */
const helpers = {
  win: /^(_Unwind_|unw_|_GCC_specific_handler)/,
  mac: /^(?!_Z|napi_|node_api_|uv_)/,
};

const nodeApi = /^(napi|node_api)_[a-z0-9_]+$/;
// libuv's interface is stable within its major version, 1 in every Node there is.
const libuv = /^uv_[a-z0-9_]+$/;

/** Symbols of macOS's own C++ library, which Node has loaded; the oldest release has them. */
const libcxx = new Set([
  '_ZNKSt3__119__shared_weak_count13__get_deleterERKSt9type_info',
  '_ZNSt3__112__next_primeEm',
  '_ZNSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE6appendEmc',
  '_ZNSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEEaSERKS5_',
  '_ZNSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE7reserveEm',
  '_ZNSt3__119__shared_weak_count14__release_weakEv',
  '_ZNSt3__119__shared_weak_count4lockEv',
  '_ZNSt3__119__shared_weak_countD2Ev',
  '_ZNSt3__15mutex4lockEv',
  '_ZNSt3__15mutex6unlockEv',
  '_ZNSt3__15mutexD1Ev',
  '_ZSt7nothrow',
  '_ZTVN10__cxxabiv117__class_type_infoE',
  '_ZTVN10__cxxabiv120__si_class_type_infoE',
  '_ZdaPv',
  '_ZdlPv',
  '_Znam',
  '_ZnamRKSt9nothrow_t',
  '_Znwm',
  '_ZnwmRKSt9nothrow_t',
]);

const newestGlibc = '2.28';
const oldestMac = '11.0';

const formats = { linux: 'elf', mac: 'macho', win: 'pe' };

/** Libraries that every system of the kind has. */
const libraries = {
  glibc: /^(libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|ld-linux-.*\.so\.\d)$/,
  musl: /^libc\.so$/,
  mac: /^\/usr\/lib\/libSystem\.B\.dylib$/,
  win: /^(ADVAPI32\.dll|KERNEL32\.dll|msvcrt\.dll)$/i,
};

/**
 * Checks one file against its target.
 *
 * @returns what is wrong with it, nothing if nothing is; and what to print of it
 */
export function check(target, path, resolvedByItself = []) {
  const binary = readBinary(path);
  const faults = [];
  const expect = (what, expected, got) => {
    if (got !== expected) faults.push(`${what}: expected ${expected}, got ${got}`);
  };
  expect('format', formats[target.os], binary.format);
  expect('architecture', target.folder.split('-')[1], binary.arch);
  const exported = binary.exports.filter(name => !helpers[target.os]?.test(name));
  expect('exports', entry.join(' '), exported.sort().join(' '));

  const allowed = libraries[target.libc ?? target.os];
  for (const library of binary.libraries) {
    if (!allowed.test(library)) faults.push(`it needs the library ${library}`);
  }
  let newest = '';
  let ofNode = 0;
  for (const { name, version } of [
    ...binary.imports,
    ...resolvedByItself.map(name => ({ name })),
  ]) {
    if (nodeApi.test(name) || libuv.test(name)) {
      ofNode++;
    } else if (version?.startsWith('GLIBC_')) {
      if (compare(version.slice(6), newest) > 0) newest = version.slice(6);
    } else if (target.libc === 'glibc' && !/^(_ITM_|__gmon_start__)/.test(name)) {
      faults.push(`nobody is said to have ${name}`);
    } else if (name.startsWith('_Z') && !(target.os === 'mac' && libcxx.has(name))) {
      faults.push(`it asks for the C++ symbol ${name}`);
    }
  }
  if (ofNode < 20) faults.push(`it asks Node for ${ofNode} symbols only`);
  if (compare(newest, newestGlibc) > 0) faults.push(`it needs glibc ${newest}`);
  if (target.os === 'linux') {
    expect('it stays loaded', true, binary.stays);
    // Ours has none. A piece of a C library that is linked in has one: an errno of its own.
    expect('variables of each thread', false, binary.hasThreadData);
  }
  if (target.os === 'mac') expect('oldest macOS', oldestMac, binary.system);
  if (target.os === 'mac' && binary.arch === 'arm64') expect('signed', true, binary.signed);

  const system = newest ? `glibc ${newest}` : (binary.system ?? '');
  return { faults, summary: { ofNode, system, name: basename(path) } };
}

function compare(a, b) {
  const [left, right] = [a, b].map(version => version.split('.').map(Number));
  return left[0] - right[0] || (left[1] ?? 0) - (right[1] ?? 0);
}
