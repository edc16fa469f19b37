/**
 * What comes, one after the other, for `for await`.
 *
 * Not an async generator: while that waits for a message, its `return()` would wait too.
 *
 * @param read the next one, or null at the end. The signal cancels a read; nothing was read then.
 */
export function iterate<T>(
  read: (options: { signal: AbortSignal }) => Promise<{ readonly value: T } | null>,
): AsyncIterableIterator<T> {
  const controller = new AbortController();
  const { signal } = controller;
  let isOver = false;
  const end = { done: true, value: undefined } as const;
  return {
    async next() {
      if (isOver) return end;
      try {
        const next = await read({ signal });
        if (next !== null) return { done: false, value: next.value };
      } catch (error) {
        if (!signal.aborted) {
          isOver = true;
          throw error;
        }
      }
      isOver = true;
      return end;
    },
    return() {
      isOver = true;
      controller.abort();
      return Promise.resolve(end);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
