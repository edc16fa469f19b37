import { debuglog } from 'node:util';

const log = debuglog('mmap-transport');

/** Prints a line where `NODE_DEBUG` names `mmap-transport`. */
export function debug(text: string, ...values: unknown[]): void {
  if (log.enabled) log(`auto: ${text}`, ...values);
}
