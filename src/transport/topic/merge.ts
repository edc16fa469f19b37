import { iterate } from '../ring/iterate.js';
import type { Subscription } from './subscription.js';

/** What a merged topic gives: a value, and the name of the topic it was published to. */
export interface Merged<T> {
  /** As the publisher wrote it. */
  readonly value: T;
  /** The topic's name. */
  readonly from: string;
}

interface Source<T> {
  readonly name: string;
  readonly subscription: Subscription<T>;
}

/**
 * One stream of several subscriptions: in order for each, and each in its turn where several have
 * something.
 *
 * @param close when the loop is left, or all have ended
 */
export function merge<T>(
  sources: readonly Source<T>[],
  close: () => void,
): AsyncIterableIterator<Merged<T>> {
  const open = [...sources];
  let turn = 0;

  function next(): { readonly value: Merged<T> } | undefined {
    for (let tries = open.length; tries > 0; tries--) {
      turn = (turn + 1) % open.length;
      const { name, subscription } = open[turn]!;
      const found = subscription.tryTake();
      if (found) return { value: { value: found.value, from: name } };
    }
    return undefined;
  }

  function leaveOut(isOver: (source: Source<T>) => boolean): void {
    for (let i = open.length - 1; i >= 0; i--) if (isOver(open[i]!)) open.splice(i, 1);
  }

  const iterator = iterate<Merged<T>>(async ({ signal }) => {
    for (;;) {
      leaveOut(({ subscription }) => subscription.closed);
      const found = next();
      if (found) return found;
      leaveOut(({ subscription }) => subscription.isOver());
      if (open.length === 0) {
        close();
        return null;
      }
      await anyReadable(open, signal);
    }
  });
  const leave = iterator.return!.bind(iterator);
  return Object.assign(iterator, {
    return() {
      close();
      return leave();
    },
  });
}

async function anyReadable<T>(sources: readonly Source<T>[], signal: AbortSignal): Promise<void> {
  const others = new AbortController();
  const stop = () => others.abort();
  signal.addEventListener('abort', stop);
  try {
    const waits = sources.map(({ subscription }) =>
      subscription.readable({ signal: others.signal }).catch((error: unknown) => {
        if (!subscription.closed) throw error; // closed by its topic: it is left out from now on
      }),
    );
    for (const wait of waits) wait.catch(() => {});
    await Promise.race(waits);
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
