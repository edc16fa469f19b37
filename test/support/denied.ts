import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { constants } from 'node:os';
import { sibling, startProgram } from './processes.js';

const source = sibling(import.meta.url, '../../../test/cpp/deny.cc');

/** Numbers of system calls, by processor. */
const numbers: Partial<Record<string, Record<string, number>>> = {
  x64: { flock: 73, fcntl: 72, fallocate: 285 },
  arm64: { flock: 32, fcntl: 25, fallocate: 47 },
};

/** A system call that fails where one of its arguments, from 0 on, lies within bounds. */
export interface Denied {
  call: 'flock' | 'fcntl' | 'fallocate';
  error: 'EPERM' | 'ENOLCK' | 'EINTR' | 'EOPNOTSUPP' | 'ENOSPC';
  argument?: { index: number; from: number; to: number };
}

/** Why no system call can be refused here; undefined where it can. */
export function cannotDeny(): string | undefined {
  if (process.platform !== 'linux' || !numbers[process.arch]) return 'no seccomp filter for this';
  if (spawnSync('c++', ['--version']).status !== 0) return 'no C++ compiler';
  return undefined;
}

/** Starts a program of Node's in which a system call fails; what it is done by lies in `folder`. */
export function startDenied(folder: string, denied: Denied, args: string[]): ChildProcess {
  const program = join(folder, 'deny');
  execFileSync('c++', ['-std=c++20', '-o', program, source]);
  const { index, from, to } = denied.argument ?? { index: 0, from: 0, to: 0xffffffff };
  const words = [
    ...[numbers[process.arch]![denied.call]!, index, from, to],
    constants.errno[denied.error],
  ].map(String);
  return startProgram(program, [...words, process.execPath, ...args]);
}
