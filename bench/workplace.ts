import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeRegionHome } from './region-home.js';

/** The directories of one run, removed at its end, and what is built in them. */
export interface Workplace {
  /** For sockets and the built program. */
  readonly home: string;
  /** The region directory of every trial, so that what one leaves is seen. */
  readonly regions: string;
  /** The C++ yardstick; absent where it cannot be built. */
  readonly program?: string;
  /** Why it is absent. */
  readonly reason?: string;
}

// Compiled, this file lies in dist/bench; the C++ source stays where it is written.
const source = fileURLToPath(new URL('../../bench/cpp/spsc.cc', import.meta.url));

/** Whether this is a clone, whose docs/ a run of everything rewrites, not an installed package. */
export const inClone = existsSync(source);

export function makeWorkplace(): Workplace {
  const home = mkdtempSync(join(tmpdir(), 'mmap-transport-bench-'));
  return { home, regions: makeRegionHome('mmap-transport-bench-'), ...build(home) };
}

export function removeWorkplace({ home, regions }: Workplace): void {
  for (const path of [home, regions]) rmSync(path, { recursive: true, force: true });
}

function build(home: string): { program: string } | { reason: string } {
  if (!inClone) return { reason: 'its source does not come with the package' };
  const program = join(home, 'spsc');
  const compiler = process.env.CXX ?? 'c++';
  try {
    execFileSync(compiler, ['-O3', '-std=c++20', source, '-o', program], { stdio: 'pipe' });
    return { program };
  } catch (error) {
    return { reason: `it could not be built: ${(error as Error).message.trim()}` };
  }
}
