import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { sibling } from '../support/processes.js';
import type { Line, Outcome } from './child.js';

/** What all the faults of one operation came to. */
export interface Report {
  operation: string;
  /** The system calls that were recorded, in order. */
  calls: string[];
  outcomes: Outcome[];
}

/** Why faults cannot be injected here; undefined where they can. */
export function cannotInject(): string | undefined {
  if (process.platform !== 'linux') return 'LD_PRELOAD and the names of glibc';
  if (!process.report.getReport || !isGlibc()) return 'not glibc';
  if (spawnSync('c++', ['--version']).status !== 0) return 'no C++ compiler';
  return undefined;
}

function isGlibc(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}

/** Builds the interposer in a folder. @returns its path */
export function buildInterposer(folder: string): string {
  const library = join(folder, 'interposer.node');
  const source = sibling(import.meta.url, '../../../test/faults/interposer.cc');
  const flags = ['-std=c++20', '-shared', '-fPIC', '-O1', '-D_GNU_SOURCE'];
  execFileSync('c++', [...flags, '-Wno-nonnull-compare', '-o', library, source, '-ldl']);
  return library;
}

/** Silence of a child for so long is a hang, in milliseconds. */
const patience = 60_000;

/** Runs all faults of an operation; a child that dies or hangs is replaced by another. */
export async function injectAll(operation: string, library: string, only = ''): Promise<Report> {
  const report: Report = { operation, calls: [], outcomes: [] };
  const home = mkdtempSync('/dev/shm/faults-');
  try {
    for (let first = 0; ;) {
      const end = await runChild(operation, library, first, only, home, report);
      if (end === undefined) return report;
      first = end + 1;
    }
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** @returns the fault that it died of; undefined where it ended in good order */
async function runChild(
  operation: string,
  library: string,
  first: number,
  only: string,
  home: string,
  report: Report,
): Promise<number | undefined> {
  const script = sibling(import.meta.url, './child.js');
  const args = ['--expose-gc', '--enable-source-maps=false', script, operation, library];
  const child = spawn(process.execPath, [...args.filter(Boolean), String(first), only], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, LD_PRELOAD: library, FAULTS_HOME: home },
  });
  let stderr = '';
  child.stderr!.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-3000)));
  let under: Extract<Line, { begun: number }> | undefined;
  let timer = setTimeout(() => child.kill('SIGKILL'), patience);
  const lines = createInterface({ input: child.stdio[3] as Readable });
  lines.on('line', text => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill('SIGKILL'), patience);
    const line = JSON.parse(text) as Line;
    if ('calls' in line) report.calls = line.calls;
    else if ('begun' in line) under = line;
    else {
      under = undefined;
      report.outcomes.push(line);
    }
  });
  const [code, signal] = await new Promise<[number | null, string | null]>(resolve => {
    child.once('close', (...how) => resolve(how));
  });
  clearTimeout(timer);
  if (code === 0) return undefined;
  if (!under) throw new Error(`${operation} ends with ${code ?? signal}: ${stderr}`);
  const how = signal === 'SIGKILL' ? 'it hangs' : `it ends with ${code ?? signal}: ${stderr}`;
  const { begun: index, fault } = under;
  report.outcomes.push({ index, fault, result: 'died', wrong: [how], milliseconds: 0 });
  return index;
}
