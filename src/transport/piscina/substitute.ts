/**
 * Puts something else in the place of certain objects within a value: a payload's
 * description where the payload was, a view where the description was.
 *
 * It looks into plain objects, arrays, maps and sets, to any depth, cycles included. What
 * is not plain (a Date, an instance of a class) stays as it is. The value itself is left
 * alone: containers with something replaced in them, and all others of that value, are
 * copied; where nothing is replaced, the value itself comes back.
 *
 * @param replace gives the substitute, or undefined to leave or look into the object;
 *   called once for each object
 */
export function substitute(value: unknown, replace: (object: object) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const whole = replace(value);
  if (whole !== undefined) return whole;
  if (!isContainer(value)) return value;

  const substitutes = new Map<object, unknown>();
  const containers = find(value, replace, substitutes);
  if (substitutes.size === 0) return value;

  // Empty copies first, so that cycles have somewhere to point.
  for (const container of containers) substitutes.set(container, emptyCopy(container));
  const resolve = (item: unknown) =>
    typeof item === 'object' && item !== null && substitutes.has(item)
      ? substitutes.get(item)
      : item;
  for (const container of containers) fill(container, substitutes.get(container), resolve);
  return substitutes.get(value);
}

type Container = unknown[] | Map<unknown, unknown> | Set<unknown> | Record<string, unknown>;

/** All containers within a value; what is to be replaced goes into `substitutes`. */
function find(
  value: Container,
  replace: (object: object) => unknown,
  substitutes: Map<object, unknown>,
): Set<Container> {
  const containers = new Set([value]);
  const seen = new Set<object>();
  const look = (item: unknown) => {
    if (typeof item !== 'object' || item === null || seen.has(item)) return;
    if (containers.has(item as Container)) return;
    const substitute = replace(item);
    if (substitute !== undefined) substitutes.set(item, substitute);
    if (substitute !== undefined || !isContainer(item)) seen.add(item);
    else containers.add(item);
  };
  // A set grows while it is walked, so this reaches every depth without recursion.
  for (const container of containers) {
    if (container instanceof Map) {
      for (const [key, item] of container) {
        look(key);
        look(item);
      }
    } else if (Array.isArray(container) || container instanceof Set) {
      for (const item of container) look(item);
    } else {
      for (const key of Object.keys(container)) look(container[key]);
    }
  }
  return containers;
}

function isContainer(item: object): item is Container {
  if (Array.isArray(item) || item instanceof Map || item instanceof Set) return true;
  const prototype: unknown = Object.getPrototypeOf(item);
  return prototype === Object.prototype || prototype === null;
}

function emptyCopy(container: Container): Container {
  if (Array.isArray(container)) return new Array<unknown>(container.length);
  if (container instanceof Map) return new Map();
  if (container instanceof Set) return new Set();
  return {};
}

function fill(source: Container, copy: unknown, resolve: (item: unknown) => unknown): void {
  if (source instanceof Map) {
    for (const [key, item] of source) {
      (copy as Map<unknown, unknown>).set(resolve(key), resolve(item));
    }
  } else if (source instanceof Set) {
    for (const item of source) (copy as Set<unknown>).add(resolve(item));
  } else {
    for (const [key, item] of Object.entries(source)) {
      const value = resolve(item);
      if (key !== '__proto__') (copy as Record<string, unknown>)[key] = value;
      else Object.defineProperty(copy, key, { value, enumerable: true, writable: true });
    }
  }
}
