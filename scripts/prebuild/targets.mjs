/**
 * What is built.
 *
 * - `folder`, `file`: how node-gyp-build finds it
 * - `zig`: the target as zig names it, with the oldest system it must run on
 * - `os`: as binding.gyp names it
 */
export const targets = [
  { folder: 'linux-x64', libc: 'glibc', zig: 'x86_64-linux-gnu.2.28', os: 'linux' },
  { folder: 'linux-x64', libc: 'musl', zig: 'x86_64-linux-musl', os: 'linux' },
  { folder: 'linux-arm64', libc: 'glibc', zig: 'aarch64-linux-gnu.2.28', os: 'linux' },
  { folder: 'linux-arm64', libc: 'musl', zig: 'aarch64-linux-musl', os: 'linux' },
  { folder: 'darwin-x64', zig: 'x86_64-macos.11.0', os: 'mac' },
  { folder: 'darwin-arm64', zig: 'aarch64-macos.11.0', os: 'mac' },
  { folder: 'win32-x64', zig: 'x86_64-windows-gnu', os: 'win' },
].map(target => ({
  ...target,
  file: ['node', 'napi', target.libc, 'node'].filter(Boolean).join('.'),
}));
