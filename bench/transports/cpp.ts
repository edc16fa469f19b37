import { join } from 'node:path';
import type { Trial } from '../trial.js';
import type { ProgramTransport } from './transport.js';

/** The yardstick of bench/cpp/spsc.cc: the same ring in C++, between processes. */
export const cpp: ProgramTransport[] = [
  program('cpp', 'C++ ring', 1),
  program('cpp-corked', 'C++ ring, corked', 32),
  program('cpp-copied', 'C++ ring, copied out', 1, true),
];

function program(name: string, label: string, cork: number, copy = false): ProgramTransport {
  return {
    name,
    label,
    places: ['process'],
    polls: true,
    arguments: (trial: Trial, directory: string) => [
      join(directory, 'spsc'),
      copy ? 'copied' : trial.kind,
      ...[trial.size, trial.capacity, cork, trial.milliseconds].map(String),
      String(Math.max(1, Math.ceil((trial.deadline - Date.now()) / 1000))),
      ...(trial.cores ?? []).map(String),
    ],
  };
}
