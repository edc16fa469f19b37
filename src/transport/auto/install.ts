import { hookProcess } from './child-side.js';
import { hookChildren } from './parent-side.js';
import { makePreloadsAbsolute } from './preload-arguments.js';

/** Marks a process: two copies of this package must not both take over its messages. */
const mark = Symbol.for('mmap-transport/auto');

/** @param entry URL of the module that was loaded */
export function install(entry: string): void {
  if (Object.hasOwn(process, mark)) return;
  Object.defineProperty(process, mark, { value: true });
  makePreloadsAbsolute(entry);
  hookProcess();
  hookChildren();
}
