type Action = (code: number) => unknown;

/** In the order in which they were added. */
const actions = new Set<Action>();

/**
 * Has an action run when this thread's process ends in good order (`process.exit`, the natural end,
 * an uncaught exception; in a worker, the thread's end). What was added later runs first, since it
 * stands on what was there before: a connection ends before its memory is given up.
 *
 * @param action what to do, at once: nothing asynchronous runs any more
 * @returns takes the action back
 */
export function atExit(action: Action): () => void {
  if (actions.size === 0) process.on('exit', runAll);
  actions.add(action);
  return () => {
    if (actions.delete(action) && actions.size === 0) process.off('exit', runAll);
  };
}

function runAll(code: number): void {
  for (const action of [...actions].reverse()) {
    if (!actions.delete(action)) continue; // removed by another action
    try {
      action(code);
    } catch {
      // The others still run; nobody is left to report an error to.
    }
  }
}
