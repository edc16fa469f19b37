import { outOfRange } from '../../errors.js';
import type { Rule } from '../../native/arguments.js';
import { checkCapacity } from './layout.js';
import { parseStrategy, type WaitStrategy } from './wait-strategy.js';

/* Rules for options that rings, channels, connections and buses have in common. */

export const aCapacity: Rule = (operation, _name, value) => {
  checkCapacity(operation, value as number);
};

export const aWaitStrategy: Rule = (operation, _name, value) => {
  parseStrategy(operation, value as WaitStrategy);
};

/** Milliseconds; Infinity: no limit. */
export const aTimeout: Rule = (operation, name, value) => {
  if (typeof value === 'number' && value >= 0) return;
  throw outOfRange(operation, name, 'milliseconds of at least 0', value);
};
