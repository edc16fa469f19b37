import type { Worker } from 'node:worker_threads';

/*
 * Which of the worker threads that this thread started are alive. The blocks of an aborted task may
 * be used again only when its thread has ended, of which `exit` is the only proof: ADR-0030.
 */

/** By threadId: called when it has ended. */
const live = new Map<number, (() => void)[]>();
/** Of the threads that were started since this file was loaded, the first: ids only grow. */
let firstWatched = Infinity;
/** Ended threads that were started before; later ones need no entry. */
const endedEarly = new Set<number>();

process.on('worker', (worker: Worker) => {
  if (worker.threadId > 0) firstWatched = Math.min(firstWatched, worker.threadId);
  knowThread(worker);
});

/** For a thread that may have been started before this file was loaded. */
export function knowThread(worker: Worker): void {
  const { threadId } = worker;
  if (threadId < 0 || live.has(threadId)) return; // -1: it has ended, and its id is gone
  live.set(threadId, []);
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
}
