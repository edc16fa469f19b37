import { invalidArgument, systemError } from '../errors.js';
import { Advice as advices, type NativeMapping, Protection } from './addon.js';
import type { MappedView, Range } from './mapped-view.js';

// What Mapped does with whole pages; its methods say what each is for.

/** How pages will be used; hints. */
export type Advice =
  | 'normal'
  | 'random'
  | 'sequential'
  | 'willneed'
  | 'dontneed'
  | 'hugepage'
  | 'nohugepage'
  | 'cold'
  | 'pageout';

/** What `protect` leaves allowed. */
export type PageAccess = 'none' | 'read' | 'read-write';

export function sync(
  view: MappedView,
  options: Range & { async?: boolean; invalidate?: boolean },
): void {
  onPages(view, 'sync', options, (native, offset, length) => {
    view.checkLength('sync');
    native.sync(offset, length, options.async ? 1 : 0, options.invalidate ? 1 : 0);
  });
}

export function advise(view: MappedView, advice: Advice, range?: Range): void {
  const number = lookUp(advices, view.called('advise'), 'advice', advice);
  onPages(view, 'advise', range, (native, offset, length) => native.advise(offset, length, number));
}

export function lock(view: MappedView, range?: Range): void {
  onPages(view, 'lock', range, (native, offset, length) => native.lockPages(offset, length));
}

export function unlock(view: MappedView, range?: Range): void {
  onPages(view, 'unlock', range, (native, offset, length) => native.unlockPages(offset, length));
}

export function protect(view: MappedView, access: PageAccess, range?: Range): void {
  const number = lookUp(Protection, view.called('protect'), 'access', access);
  onPages(view, 'protect', range, (native, offset, length) => {
    if (number === Protection['read-write'] && !view.writable) {
      throw view.error('EACCES', 'the memory was opened for reading only', 'protect');
    }
    native.protect(offset, length, number);
  });
}

export function resident(view: MappedView, range?: Range): Uint8Array<ArrayBuffer> {
  let pages = new Uint8Array(0);
  onPages(view, 'resident', range, (native, offset, length) => {
    pages = native.resident(offset, length);
  });
  return pages;
}

/** Calls the addon about the pages of a range; not at all if the range is empty. */
function onPages(
  view: MappedView,
  operation: string,
  range: Range | undefined,
  call: (native: NativeMapping, offset: number, length: number) => void,
): void {
  const { offset, length } = view.span(operation, range);
  const native = view.pages(operation);
  if (!native || length === 0) return;
  try {
    call(native, offset, length);
  } catch (cause) {
    throw systemError(cause, `${view.source.kind}.${operation}`, view.source.address);
  }
}

function lookUp(table: Record<string, number>, operation: string, name: string, key: unknown) {
  if (typeof key === 'string' && Object.hasOwn(table, key)) return table[key]!;
  const names = Object.keys(table).map(known => `'${known}'`);
  throw invalidArgument(operation, name, `one of ${names.join(', ')}`, key);
}
