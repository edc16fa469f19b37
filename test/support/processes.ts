import {
  type ChildProcess,
  fork,
  type ForkOptions,
  spawn,
  type SpawnOptions,
  type StdioOptions,
} from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const children = new Set<ChildProcess>();

/**
 * Each child leads a process group, so that its own children end with it, even if it is
 * killed before it can end them.
 */
const detached = process.platform !== 'win32';
const groups = new Set<number>();

/** A path beside the calling module, e.g. `sibling(import.meta.url, './peer.js')`. */
export function sibling(base: string, name: string): string {
  return fileURLToPath(new URL(name, base));
}

/** Forks a script. Whatever becomes of the test, the process is gone after it. */
export function start(script: string, args: string[] = [], options: ForkOptions = {}) {
  return track(fork(script, args, { serialization: 'advanced', detached, ...options }));
}

/** Starts a script as a user would: not as a child with a channel. */
export function startAlone(script: string, args: string[] = []): ChildProcess {
  return startNode([script, ...args]);
}

/** Starts a script as {@link startAlone}, with options of Node before it. */
export function startNode(args: string[], options: SpawnOptions = {}): ChildProcess {
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
  return track(spawn(process.execPath, args, { detached, stdio, ...options }));
}

/** Starts any program, to be written to and read from. */
export function startProgram(program: string, args: string[]) {
  const child = spawn(program, args, { detached, stdio: 'pipe' });
  track(child);
  return child;
}

function track(child: ChildProcess): ChildProcess {
  children.add(child);
  if (detached && child.pid !== undefined) groups.add(child.pid);
  child.once('exit', () => children.delete(child));
  return child;
}

/**
 * The next message of a child or thread; fails if it ends first. A thread's message and
 * its error may come in either order, but both before its end. A child's last message may
 * come after its 'exit', while its pipe is still read, but before its 'close'.
 */
export function message<T>(peer: ChildProcess | Worker): Promise<T> {
  const emitter: NodeJS.EventEmitter = peer;
  const ending = peer instanceof Worker ? 'exit' : 'close';
  return new Promise<T>((resolve, reject) => {
    let failure: Error | undefined;
    const fail = (error: Error) => (failure = error);
    const settle = () => {
      emitter.off('message', come).off(ending, end).off('error', fail);
    };
    const come = (value: T) => (settle(), resolve(value));
    const end = (code: number | null) => {
      settle();
      reject(failure ?? new Error(`it ended with ${code} before it said anything`));
    };
    emitter.on('message', come).on(ending, end).on('error', fail);
  });
}

/** What a process printed, and how it ended. */
export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs until the process ends by itself. */
export async function outcome(child: ChildProcess): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}

/** Whether the process has ended, reaped by its parent or not. */
export function hasEnded(pid: number): boolean {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

export async function killAll(): Promise<void> {
  await Promise.all(
    [...children].map(async child => {
      const exited = once(child, 'exit');
      if (child.kill('SIGKILL')) await exited;
    }),
  );
  killGroups();
}

function killGroups(): void {
  for (const group of groups) {
    try {
      process.kill(-group, 'SIGKILL');
    } catch (error) {
      // Ended already; macOS says EPERM of a process whose parent has not been notified yet.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ESRCH' && code !== 'EPERM') throw error;
    }
  }
  groups.clear();
}

// They do not get Ctrl-C, which goes to the terminal's own group.
process.once('exit', killGroups);
