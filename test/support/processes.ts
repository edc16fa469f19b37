import { type ChildProcess, fork, type ForkOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const children = new Set<ChildProcess>();

/** A path beside the calling module, e.g. `sibling(import.meta.url, './peer.js')`. */
export function sibling(base: string, name: string): string {
  return fileURLToPath(new URL(name, base));
}

/** Forks a script. Whatever becomes of the test, the process is gone after it. */
export function start(script: string, args: string[] = [], options: ForkOptions = {}) {
  return track(fork(script, args, { serialization: 'advanced', ...options }));
}

/** Starts a script as a user would: not as a child with a channel. */
export function startAlone(script: string, args: string[] = []): ChildProcess {
  return track(spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
}

function track(child: ChildProcess): ChildProcess {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/**
 * The next message of a child or thread; fails where it ends first. A thread's message and
 * its error may come in either order, but both before its end.
 */
export function message<T>(peer: ChildProcess | Worker): Promise<T> {
  const emitter: NodeJS.EventEmitter = peer;
  return new Promise<T>((resolve, reject) => {
    let failure: Error | undefined;
    const fail = (error: Error) => (failure = error);
    const settle = () => {
      emitter.off('message', come).off('exit', end).off('error', fail);
    };
    const come = (value: T) => (settle(), resolve(value));
    const end = (code: number | null) => {
      settle();
      reject(failure ?? new Error(`it ended with ${code} before it said anything`));
    };
    emitter.on('message', come).on('exit', end).on('error', fail);
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
}
