import type { Worker } from 'node:worker_threads';

/*
 * Which of the worker threads that this thread started are alive. The blocks of an aborted task may
 * be used again only when its thread has ended, of which `exit` is the only proof: ADR-0030.
 */

/** By threadId: called when it has ended. */
const live = new Map<number, (() => void)[]>();
const known = new WeakSet<Worker>();
/** Ended threads that were started before the first watcher came; later ones need no entry. */
const endedEarly = new Set<number>();
let watchers = 0;
/** The first thread that was started while there was a watcher: ids only grow. */
let firstWatched = Infinity;

/** Keeps track of every thread that this one starts, until {@link unwatchThreads}. */
export function watchThreads(): void {
  if (watchers++ > 0) return;
  firstWatched = Infinity;
  process.on('worker', onWorker);
}

export function unwatchThreads(): void {
  if (--watchers === 0) process.off('worker', onWorker);
}

function onWorker(worker: Worker): void {
  if (worker.threadId > 0) firstWatched = Math.min(firstWatched, worker.threadId);
  knowThread(worker);
}

/** For a thread that may have been started before the first watcher came. */
export function knowThread(worker: Worker): void {
  const { threadId } = worker;
  if (threadId < 0 || known.has(worker)) return; // -1: it has ended, and its id is gone
  known.add(worker);
  if (!live.has(threadId)) live.set(threadId, []);
  worker.once('exit', () => {
    const listeners = live.get(threadId);
    live.delete(threadId);
    if (threadId < firstWatched) endedEarly.add(threadId);
    listeners?.forEach(listener => listener());
  });
}

/** Calls back when the thread has ended, at once too; never, where nothing is known of it. */
export function whenThreadGone(threadId: number, listener: () => void): void {
  const listeners = live.get(threadId);
  if (listeners) listeners.push(listener);
  else if (threadId >= firstWatched || endedEarly.has(threadId)) listener();
  else live.set(threadId, [listener]);
}
