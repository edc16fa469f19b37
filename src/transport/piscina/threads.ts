import type { Worker } from 'node:worker_threads';

/*
 * Which worker threads that this thread started are alive. A task that was aborted may go
 * on for a while: its thread stops when V8 next looks, or when a native call returns. Its
 * blocks may serve others only when the thread is gone, which `exit` tells and nothing
 * else does.
 */

/** By threadId: who wants to hear of its end. */
const live = new Map<number, (() => void)[]>();
const known = new WeakSet<Worker>();
/** Ended threads that were started before anybody watched; later ones need no entry. */
const goneBefore = new Set<number>();
let watchers = 0;
/** The first thread that was started while somebody watched: ids only grow. */
let firstWatched = Infinity;
let newest = 0;

/** Learns of every thread that this one starts, until {@link unwatchThreads}. */
export function watchThreads(): void {
  if (watchers++ > 0) return;
  firstWatched = Infinity;
  process.on('worker', onWorker);
}

export function unwatchThreads(): void {
  if (--watchers === 0) process.off('worker', onWorker);
}

function onWorker(worker: Worker): void {
  // Ended already: its id is gone, and nobody can have heard of it.
  if (worker.threadId < 0) return;
  firstWatched = Math.min(firstWatched, worker.threadId);
  knowThread(worker);
}

/** For a thread that was perhaps started before anybody watched. */
export function knowThread(worker: Worker): void {
  const { threadId } = worker;
  if (threadId < 0 || known.has(worker)) return;
  known.add(worker);
  if (!live.has(threadId)) live.set(threadId, []);
  newest = Math.max(newest, threadId);
  worker.once('exit', () => {
    const listeners = live.get(threadId) ?? [];
    live.delete(threadId);
    if (threadId < firstWatched) goneBefore.add(threadId);
    for (const listener of listeners) listener();
  });
}

/** Whether it has ended for certain. */
export function isThreadGone(threadId: number): boolean {
  return !live.has(threadId) && (threadId >= firstWatched || goneBefore.has(threadId));
}

/** Calls back when the thread has ended. */
export function whenThreadGone(threadId: number, listener: () => void): void {
  if (isThreadGone(threadId)) listener();
  else if (live.has(threadId)) live.get(threadId)!.push(listener);
  else live.set(threadId, [listener]); // never heard of: nothing is given to others then
}

export function newestThread(): number {
  return newest;
}

/** Whether any thread up to this id is still there. */
export function anyThreadUpTo(threadId: number): boolean {
  for (const id of live.keys()) if (id <= threadId) return true;
  return false;
}
