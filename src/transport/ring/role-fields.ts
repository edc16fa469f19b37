import { Bell, Counter, Field } from './layout.js';
import type { Role } from './memory.js';

/** Where a role's words lie in the header. */
export interface RoleFields {
  readonly state: number;
  readonly pid: number;
  /** The flag this role sets before it sleeps. */
  readonly waiting: number;
  /** Where its doorbell's address is. */
  readonly bell: number;
  /** Counts how often it woke the other. */
  readonly wakes: number;
}

export const roleFields: Record<Role, RoleFields> = {
  producer: {
    state: Field.producerState,
    pid: Field.producerPid,
    waiting: Field.producerWaiting,
    bell: Bell.producer,
    wakes: Counter.producerWakes,
  },
  consumer: {
    state: Field.consumerState,
    pid: Field.consumerPid,
    waiting: Field.consumerWaiting,
    bell: Bell.consumer,
    wakes: Counter.consumerWakes,
  },
};
