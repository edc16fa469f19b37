import { invalidArgument, outOfRange } from '../errors.js';

/**
 * How a side waits for the other.
 *
 * - `'park'` (default): polls for about as long as a wake-up costs, then sleeps. Idle it
 *   costs nothing.
 * - `{ spin: microseconds }`: polls so long before it sleeps. Answers faster, and uses a
 *   core for that time after each message.
 * - `'busy'`: never sleeps. The fastest answer, and a core of its own.
 *
 * On the event loop, polling gives way to pending I/O and timers every few microseconds.
 */
export type WaitStrategy = 'park' | 'busy' | { spin: number };

/** Polling before sleep where nothing was asked for, blocking calls only. */
const defaultSpin = 20;

/** A strategy as microseconds of polling; on the event loop, parking does not poll. */
export interface Spin {
  readonly blocking: number;
  readonly eventLoop: number;
}

/** @throws {ShmError} `ERR_INVALID_ARG`, `ERR_OUT_OF_RANGE` */
export function parseStrategy(operation: string, strategy: WaitStrategy = 'park'): Spin {
  if (strategy === 'park') return { blocking: defaultSpin, eventLoop: 0 };
  if (strategy === 'busy') {
    return { blocking: Number.POSITIVE_INFINITY, eventLoop: Number.POSITIVE_INFINITY };
  }
  if (typeof strategy !== 'object' || strategy === null) {
    throw invalidArgument(operation, 'wait', "'park', 'busy' or { spin }", strategy);
  }
  const { spin } = strategy;
  if (typeof spin === 'number' && spin >= 0) return { blocking: spin, eventLoop: spin };
  throw outOfRange(operation, 'wait.spin', 'microseconds of at least 0', spin);
}

/** Milliseconds from an optional argument: absent means no limit. */
export function checkTimeout(operation: string, timeout: number | undefined): number {
  if (timeout === undefined) return Number.POSITIVE_INFINITY;
  if (typeof timeout === 'number' && timeout >= 0) return timeout;
  throw outOfRange(operation, 'timeout', 'milliseconds of at least 0', timeout);
}
