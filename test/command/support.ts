import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RegionReport } from '../../src/command/region-report.js';
import { collect } from '../support/garbage.js';
import { message, outcome, sibling, start, startAlone } from '../support/processes.js';
import type { Names } from './command-peer.js';

export const script = sibling(import.meta.url, '../../src/command/main.js');
export const onLinux = process.platform === 'linux';
export const onWindows = process.platform === 'win32';

export const run = (...args: string[]) => outcome(startAlone(script, args));

/** What the command printed, if it succeeded. */
export async function told(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect([code, stderr]).to.deep.equal([0, '']);
  return stdout;
}

export const list = async () => JSON.parse(await told('ls', '--json')) as RegionReport[];
export const stat = async (name: string) =>
  JSON.parse(await told('stat', name, '--json')) as RegionReport;

export async function startPeer() {
  const peer = start(sibling(import.meta.url, './command-peer.js'));
  return { peer, names: await message<Names>(peer) };
}

/** A directory of a suite's own, made anew for each test. */
export function workDirectory(): () => string {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'mmap-transport-command-'));
  });
  afterEach(async () => {
    if (onWindows) await collect(); // until then it removes no mapped file
    rmSync(directory, { recursive: true });
  });
  return () => directory;
}
