import { setImmediate as nextTurn } from 'node:timers/promises';

/** Collects garbage, and lets its finalizers run. */
export async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    (globalThis as { gc?: () => void }).gc!();
    await nextTurn();
  }
}
