import { isCapacity } from '../ring/layout.js';
import { PeerDirectory } from './peer-directory.js';
import type { LinkOrder } from './peer-links.js';

export const longestId = 200;

/** What a peer says of itself when it dials or is dialled. */
export interface Greeting extends Partial<LinkOrder> {
  id: string;
  instance: string;
  capacity: number;
  /**
   * What a dialer wants: a connection that shows that it lives, one for messages, or, of the
   * listener itself, one that only shows that all before it have been accepted.
   */
  purpose?: 'presence' | 'link' | 'barrier';
}

/** A peer's word, checked. */
export function checkGreeting(value: unknown): Greeting | undefined {
  const { id, instance, capacity, purpose, serial, seen } = (value ?? {}) as Partial<Greeting>;
  const isId = typeof id === 'string' && id !== '' && id.length <= longestId;
  const isPeer = isId && PeerDirectory.isInstance(instance);
  const isOrder = isCount(serial) && isCount(seen);
  if (!isPeer || !isOrder || typeof capacity !== 'number' || !isCapacity(capacity))
    return undefined;
  return { id, instance, capacity, purpose, serial, seen } as Greeting;
}

function isCount(value: unknown): boolean {
  return value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0);
}
