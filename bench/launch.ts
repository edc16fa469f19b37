import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TrialOrder } from './trial-process.js';
import { isCluster, isProgram, transport } from './transports/registry.js';
import type { Outcome, Trial } from './trial.js';
import type { Workplace } from './workplace.js';

const trialScript = fileURLToPath(new URL('./trial-process.js', import.meta.url));
const clusterScript = fileURLToPath(new URL('./cluster-trial.js', import.meta.url));

/** How much longer than its own deadline a trial may live: it should end by itself. */
const graceMilliseconds = 2000;

let running: ChildProcess | undefined;

/**
 * Runs one trial in processes of its own, which are gone afterwards whatever happened.
 *
 * @throws {Error} where it failed, hung, counted wrong or left something behind
 */
export async function launch(trial: Trial, workplace: Workplace): Promise<Outcome> {
  const [command, args] = commandOf(trial, workplace);
  // A process group of its own, so that its peer can be killed with it.
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, MMAP_TRANSPORT_DIR: workplace.regions },
  });
  running = child;
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  let expired = false;
  const watchdog = setTimeout(
    () => {
      expired = true;
      killRunning();
    },
    trial.deadline + graceMilliseconds - Date.now(),
  );

  // The streams would stay open as long as a lost receiver holds them.
  child.once('exit', killRunning);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(watchdog);
  running = undefined;

  if (expired) throw new Error('did not end in time and was killed');
  if (code !== 0) throw new Error(`ended with ${code ?? signal}: ${errors.trim()}`);
  const left = readdirSync(workplace.regions);
  if (left.length > 0) throw new Error(`left ${left.join(', ')} in the region directory`);
  return JSON.parse(output) as Outcome;
}

function commandOf(trial: Trial, { home, regions, program }: Workplace): [string, string[]] {
  const chosen = transport(trial.transport);
  if (isProgram(chosen)) return [program!, chosen.arguments(trial, regions)];
  if (isCluster(chosen)) return [process.execPath, [clusterScript, JSON.stringify(trial)]];
  const order: TrialOrder = { trial, directory: home };
  return [process.execPath, [trialScript, JSON.stringify(order)]];
}

/** Kills the trial that is under way, receiver included. */
export function killRunning(): void {
  if (running?.pid === undefined) return;
  try {
    process.kill(-running.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
