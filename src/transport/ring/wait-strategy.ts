import { invalidArgument, outOfRange } from '../../errors.js';

/**
 * How a side waits for the other.
 *
 * - `'park'` (default): polls for about as long as a wake-up costs, then sleeps: 20 µs for a
 *   ring; 200 µs for a connection or a channel, while that finds something. Idle it costs
 *   nothing.
 * - `{ spin: microseconds }`: polls for that long before it sleeps; 0 sleeps at once. The longer,
 *   the more answers come without a wake-up, and the longer a core is used after each message.
 * - `'busy'`: never sleeps. The fastest answer, and a core of its own.
 *
 * On the event loop, polling gives way to pending I/O and timers every few microseconds.
 */
export type WaitStrategy =
  | 'park'
  | 'busy'
  | {
      /** Microseconds of polling before it sleeps, from 0. */
      spin: number;
    };

/** Polling before sleep where nothing was asked for: see ADR-0005. */
const defaultSpin = 20;

/** The same where polling in vain is skipped the next times: also see ADR-0005. */
const longestSpin = 200;

/**
 * A strategy as microseconds of polling before sleep.
 *
 * @throws {ShmError} `ERR_INVALID_ARG`, `ERR_OUT_OF_RANGE`
 */
export function parseStrategy(operation: string, strategy: WaitStrategy = 'park'): number {
  if (strategy === 'park') return defaultSpin;
  if (strategy === 'busy') return Number.POSITIVE_INFINITY;
  if (typeof strategy !== 'object' || strategy === null) {
    throw invalidArgument(operation, 'wait', "'park', 'busy' or { spin }", strategy);
  }
  const { spin } = strategy;
  if (typeof spin === 'number' && spin >= 0) return spin;
  throw outOfRange(operation, 'wait.spin', 'microseconds of at least 0', spin);
}

/**
 * The same for connections and channels: where nothing else was asked for, they poll longer,
 * and only while that finds something. A number of microseconds that was asked for always holds.
 */
export function parseAdaptive(
  operation: string,
  strategy: WaitStrategy = 'park',
): { spin: number; adapts: boolean } {
  const adapts = strategy === 'park';
  return { spin: adapts ? longestSpin : parseStrategy(operation, strategy), adapts };
}

/** Milliseconds from an optional argument: absent means no limit. */
export function checkTimeout(operation: string, timeout: number | undefined): number {
  if (timeout === undefined) return Number.POSITIVE_INFINITY;
  if (typeof timeout === 'number' && timeout >= 0) return timeout;
  throw outOfRange(operation, 'timeout', 'milliseconds of at least 0', timeout);
}
