import { channel } from 'node:diagnostics_channel';
import { debuglog } from 'node:util';

/** What happens to mapped memory, as reported to listeners. */
export interface MappingEvent {
  /** What was done, e.g. `openFile`. */
  operation: string;
  /** The file's path or the segment's id. */
  address: string;
  /** Bytes mapped. */
  length: number;
}

/** A segment whose users had all died, and which has been removed. */
export interface ReapEvent {
  /** The directory it lay in. */
  directory: string;
  /** The name of its file there, e.g. `ring-` and 24 hexadecimal digits. */
  name: string;
}

const log = debuglog('mmap-transport');

const channels = {
  open: channel('mmap-transport:open'),
  close: channel('mmap-transport:close'),
  truncated: channel('mmap-transport:truncated'),
  reap: channel('mmap-transport:reap'),
};

/**
 * Publishes on the channel `mmap-transport:<event>` of `node:diagnostics_channel`, and prints a
 * line if `NODE_DEBUG` names `mmap-transport`. Costs next to nothing if nobody listens.
 */
export function trace(event: 'open' | 'close' | 'truncated', message: MappingEvent): void;
export function trace(event: 'reap', message: ReapEvent): void;
export function trace(event: keyof typeof channels, message: MappingEvent | ReapEvent): void {
  if (channels[event].hasSubscribers) channels[event].publish(message);
  if (log.enabled) log('%s %j', event, message);
}
