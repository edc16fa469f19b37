// The part of LLVM's C++ library that our native code uses, compiled with it. Linking with
// `zig c++` would compile the whole library again for every platform, nine tenths of the time
// of a prebuild. If our code needs more of it one day, the check of the addon names it.
import { join } from 'node:path';

const sources = [
  ...['hash', 'memory', 'mutex', 'mutex_destructor', 'new', 'string', 'system_error'].map(
    name => `libcxx/src/${name}.cpp`,
  ),
  'libcxx/src/verbose_abort.cpp',
  ...['abort_message', 'cxa_guard', 'cxa_handlers', 'cxa_default_handlers', 'cxa_virtual'].map(
    name => `libcxxabi/src/${name}.cpp`,
  ),
  'libcxxabi/src/stdlib_exception.cpp',
  'libcxxabi/src/stdlib_new_delete.cpp',
];

/** Its linker also wants functions that nothing calls. */
const onWindows = [
  ...[
    'chrono',
    'condition_variable',
    'exception',
    'future',
    'stdexcept',
    'thread',
    'support/win32/thread_win32',
  ].map(name => `libcxx/src/${name}.cpp`),
  'libcxxabi/src/cxa_noexception.cpp',
  'libcxxabi/src/stdlib_stdexcept.cpp',
];

/**
 * @param {string} zig the folder zig lies in
 * @param {'linux' | 'win'} os
 */
export function libcxx(zig, os) {
  const wanted = os === 'win' ? [...sources, ...onWindows] : sources;
  return {
    sources: wanted.map(path => join(zig, 'lib', path)),
    flags: [
      ...['-std=c++20', '-fno-exceptions', '-fvisibility=hidden', '-DNDEBUG'],
      ...['-D_LIBCPP_BUILDING_LIBRARY', '-D_LIBCXXABI_BUILDING_LIBRARY'],
      ...['-DLIBCXX_BUILDING_LIBCXXABI', '-D_LIBCXXABI_NO_EXCEPTIONS'],
      ...['-I', join(zig, 'lib/libcxx/src')],
    ],
  };
}
