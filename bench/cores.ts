import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Where the sender and the receiver of a trial run. */
export type Cores = readonly [sender: number, receiver: number];

/**
 * Two cores this process may use that are not two halves of one. Left to itself, a
 * scheduler may keep two sides that poll on one core for the whole of a trial, where they
 * can only take turns.
 *
 * @returns undefined where there are no two, or no way to choose them (only Linux has one)
 */
export function chooseCores(): Cores | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    const status = readFileSync('/proc/self/status', 'utf8');
    const allowed = expand(/^Cpus_allowed_list:\s*(.+)$/m.exec(status)![1]!);
    const [first] = allowed;
    if (first === undefined) return undefined;
    const siblings = expand(
      readFileSync(`/sys/devices/system/cpu/cpu${first}/topology/thread_siblings_list`, 'utf8'),
    );
    const second = allowed.find(core => !siblings.includes(core));
    return second === undefined ? undefined : [first, second];
  } catch {
    return undefined;
  }
}

/** Binds the main thread of a process; the helper threads of Node stay free. */
export function bind(pid: number, core: number): void {
  execFileSync('taskset', ['--cpu-list', '--pid', String(core), String(pid)], { stdio: 'ignore' });
}

/** '0-2,5' as 0, 1, 2, 5. */
function expand(list: string): number[] {
  return list
    .trim()
    .split(',')
    .flatMap(part => {
      const [from, to = from] = part.split('-').map(Number);
      return Array.from({ length: to! - from! + 1 }, (_, index) => from! + index);
    });
}
