/**
 * Watches objects for being collected. Most are released soon, and watching one costs as much as
 * making it: so each waits first, as `defer` says, and is watched only if it is still needed.
 */
export function watchForgotten<T>(
  onForgotten: (held: T) => void,
  isNeeded: (held: T) => boolean,
  defer: (callback: () => void) => void,
): (object: object, held: T) => void {
  const registry = new FinalizationRegistry(onForgotten);
  /** An object and what is held for it, one after the other. */
  let fresh: unknown[] = [];
  const watch = () => {
    const waited = fresh;
    fresh = [];
    for (let i = 0; i < waited.length; i += 2) {
      const held = waited[i + 1] as T;
      if (isNeeded(held)) registry.register(waited[i] as object, held);
    }
  };
  return (object, held) => {
    if (fresh.push(object, held) === 2) defer(watch);
  };
}
