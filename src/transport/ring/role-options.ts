import { checkedLater, type Rule } from '../../native/arguments.js';
import { aWaitStrategy } from './option-rules.js';
import type { PieceCollector } from './record-handlers.js';
import type { WaitStrategy } from './wait-strategy.js';

/** How the holder of a role behaves; all is optional. */
export interface RoleOptions {
  /** How the holder of the role waits. @default 'park' */
  wait?: WaitStrategy;
  /** @internal See {@link RoleClaim}. */
  first?: boolean;
  /** @internal See {@link RoleClaim}. */
  operations?: { readonly attach: string; readonly use: string };
  /** @internal A channel's: takes the pieces of long messages, which are corrupt otherwise. */
  pieces?: PieceCollector;
}

export const roleRules = {
  wait: aWaitStrategy,
  first: checkedLater,
  operations: checkedLater,
  pieces: checkedLater,
} satisfies Record<keyof RoleOptions, Rule>;
