import { now } from '../../timers.js';

/** A sleeper looks after this many milliseconds whether its peer is still alive. */
const livenessInterval = 100;

/** Polls between two looks at the clock, which costs as much as several polls. */
const pollsPerClock = 100;

/** What blocks: the holder of a role, or a reader of a topic. */
export interface BlockingSleeper {
  /** Microseconds of polling before sleep. */
  readonly spin: number;
  /** Stores its flag, and sleeps for at most so long unless `ready` by then. */
  sleepSync(ready: () => boolean, milliseconds: number): void;
  /** The bounded look at a peer that may have died. @throws {ShmError} where it has */
  checkPeer(operation: string): void;
}

/**
 * Blocks this thread until `ready`, polling first, then asleep.
 * SYNC park, the sleeper's side: the flag is stored before `ready` looks once more. A
 * peer that published before that store is seen by the look; one that publishes after
 * it sees the flag.
 *
 * @param timeout milliseconds, Infinity for no limit
 * @returns false when the time ran out
 * @throws {ShmError} what `checkPeer` throws, unless it is ready by then
 */
export function waitSync(
  sleeper: BlockingSleeper,
  operation: string,
  ready: () => boolean,
  timeout: number,
): boolean {
  const { spin } = sleeper;
  // The first looks go without the clock: what comes within a microsecond is not timed.
  for (let i = spin > 0 ? pollsPerClock : 1; i > 0; i--) if (ready()) return true;
  const check = () => isReadyAfterAll(sleeper, operation, ready);
  const start = now();
  const asleepAfter = Math.min(start + spin / 1000, start + timeout);
  let time = start;
  let look = start + livenessInterval;
  while (time < asleepAfter) {
    for (let i = 0; i < pollsPerClock; i++) if (ready()) return true;
    time = now();
    if (time >= look) {
      look = time + livenessInterval;
      if (check()) return true;
    }
  }
  for (;;) {
    const left = timeout - (now() - start);
    // A thread that was not scheduled until now has not looked at its peer yet.
    if (left <= 0) return ready() || (timeout > 0 && check());
    sleeper.sleepSync(ready, Math.min(left, livenessInterval));
    if (ready() || check()) return true;
  }
}

/** Throws where the peer is gone; true where it is ready after all. */
function isReadyAfterAll(sleeper: BlockingSleeper, operation: string, ready: () => boolean) {
  try {
    sleeper.checkPeer(operation);
    return false;
  } catch (error) {
    if (ready()) return true; // what the peer committed before it died comes first
    throw error;
  }
}
