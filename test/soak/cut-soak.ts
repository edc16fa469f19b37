import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { sibling } from '../support/processes.js';

/*
 * Four processes touch mapped files and kept rings in every way, and open new ones; two others cut,
 * grow, rename, remove and replace these files all the while. No process may die, hang, or get
 * anything but the errors that the rules name, and no wrong record may be delivered.
 *
 *   node dist/test/soak/cut-soak.js [--seconds 60] [--seed 1] [--folder FOLDER]
 */

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    folder: { type: 'string', default: process.platform === 'linux' ? '/dev/shm' : tmpdir() },
  },
});
const folder = mkdtempSync(join(values.folder, 'cut-soak-'));
process.env.MMAP_TRANSPORT_DIR = join(folder, 'regions');
const script = sibling(import.meta.url, './cut-soak-peer.js');
/** A process that does not end when it is told to, in milliseconds. */
const patience = 60_000;

type Answer = { tally: Record<string, number> } | { problem: string };

const tallies: Record<string, Record<string, number>> = { uses: {}, breaks: {} };

async function run(part: 'uses' | 'breaks', number: number): Promise<void> {
  const child = fork(script, [folder, String(Number(values.seed) * 100 + number), part]);
  let answer: Answer | undefined;
  child.on('message', (message: Answer) => (answer = message));
  const ended = once(child, 'exit');
  await Promise.race([delay(Number(values.seconds) * 1000, undefined, { ref: false }), ended]);
  if (child.connected) child.send('stop');
  const watchdog = setTimeout(() => child.kill('SIGKILL'), patience);
  const [code, signal] = (await ended) as [number | null, string | null];
  clearTimeout(watchdog);
  if (answer && 'problem' in answer) throw new Error(answer.problem);
  if (code !== 0 || !answer) throw new Error(`${part} ${number} ended with ${code ?? signal}`);
  for (const [what, count] of Object.entries(answer.tally)) {
    tallies[part]![what] = (tallies[part]![what] ?? 0) + count;
  }
}

try {
  const runs = [
    ...[1, 2].map(number => run('breaks', number)),
    ...[3, 4, 5, 6].map(number => run('uses', number)),
  ];
  for (const end of await Promise.allSettled(runs)) {
    if (end.status === 'rejected') throw end.reason as Error;
  }
  console.log(JSON.stringify(tallies, undefined, 2));
} finally {
  rmSync(folder, { recursive: true });
}
process.exit(0);
