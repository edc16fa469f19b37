import { types } from 'node:util';
import { isObject } from '../../native/arguments.js';

/**
 * Replaces certain objects within a value: payloads by references to them, references by views.
 *
 * It looks where structured cloning looks, to any depth, cycles included: into the items of arrays,
 * Maps and Sets and the own properties of objects, instances of classes and objects of other realms
 * among them. The value itself is left alone. What has a replacement in it, at any depth, is copied
 * (an instance of a class as a plain object, as cloning makes it); all else is used as it is.
 *
 * @param replace gives the replacement, or undefined to leave or look into the object; called once
 *   for each object
 * @throws what a getter within the value throws, after all the rest was looked into
 */
export function replaceDeep(value: unknown, replace: (object: object) => unknown): unknown {
  if (!isObject(value)) return value;
  const whole = replace(value);
  if (whole !== undefined) return whole;
  const kind = kindOfContainer(value);
  if (kind === undefined) return value;

  const failures: Error[] = [];
  const containerOf = (object: object, kind: Kind) => ({
    kind,
    items: read(object, kind, failures),
  });
  const containers = new Map([[value, containerOf(value, kind)]]);
  /** What replaces an object: the caller's replacement or, later, a copy. */
  const copies = new Map<object, unknown>();
  const ignored = new Set<object>();
  /** An object and what it was found in, one after the other. */
  const found: object[] = [];
  // The map grows while it is walked, so this reaches every depth without recursion.
  for (const [container, { items }] of containers) {
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (!isObject(item) || ignored.has(item)) continue;
      if (!containers.has(item) && !copies.has(item)) {
        const replacement = replace(item);
        const itsKind = replacement === undefined ? kindOfContainer(item) : undefined;
        if (replacement !== undefined) copies.set(item, replacement);
        else if (itsKind !== undefined) containers.set(item, containerOf(item, itsKind));
        else ignored.add(item);
      }
      found.push(item, container);
    }
  }
  if (failures.length > 0) throw failures[0]!;
  if (copies.size === 0) return value;

  // Empty copies first, so that cycles have somewhere to point.
  for (let before = 0; before < copies.size;) {
    before = copies.size;
    for (let i = found.length - 2; i >= 0; i -= 2) {
      const container = found[i + 1]!;
      if (!copies.has(found[i]!) || copies.has(container)) continue;
      copies.set(container, emptyCopy[containers.get(container)!.kind]());
    }
  }
  const resolve = (item: unknown) => (isObject(item) && copies.get(item)) || item;
  for (const [container, { kind, items }] of containers) {
    if (copies.has(container)) fill(copies.get(container), kind, items, resolve);
  }
  return copies.get(value);
}

const emptyCopy = {
  array: () => [],
  map: () => new Map(),
  set: () => new Set(),
  object: () => ({}),
};

type Kind = keyof typeof emptyCopy;

/** Undefined for what cloning does not look into. */
function kindOfContainer(item: object): Kind | undefined {
  if (types.isProxy(item)) return undefined;
  if (Array.isArray(item)) return 'array';
  const prototype: unknown = Object.getPrototypeOf(item);
  if (prototype === Object.prototype || prototype === null) return 'object';
  if (types.isMap(item)) return 'map';
  if (types.isSet(item)) return 'set';
  if (ArrayBuffer.isView(item) || types.isAnyArrayBuffer(item) || types.isDate(item)) return;
  if (types.isRegExp(item) || types.isNativeError(item) || types.isBoxedPrimitive(item)) return;
  return 'object';
}

/** The items; of a Map and an object keys and items in turns. Getters are called here only. */
function read(container: object, kind: Kind, failures: Error[]): unknown[] {
  if (kind === 'array') return container as unknown[];
  // Those of this realm serve any, and whatever methods the container has of its own.
  if (kind === 'map') return [...Map.prototype.entries.call(container)].flat();
  if (kind === 'set') return [...Set.prototype.values.call(container)];
  const items: unknown[] = [];
  for (const key of Object.keys(container)) {
    try {
      items.push(key, (container as Record<string, unknown>)[key]);
    } catch (error) {
      failures.push(error as Error);
    }
  }
  return items;
}

function fill(copy: unknown, kind: Kind, items: unknown[], resolve: (item: unknown) => unknown) {
  if (kind === 'set') {
    for (const item of items) (copy as Set<unknown>).add(resolve(item));
  } else if (kind === 'array') {
    (copy as unknown[]).length = items.length;
    for (const key of Object.keys(items)) define(copy as object, key, resolve(items[key as never]));
  } else {
    for (let i = 0; i < items.length; i += 2) {
      const item = resolve(items[i + 1]);
      if (kind === 'map') (copy as Map<unknown, unknown>).set(resolve(items[i]), item);
      else define(copy as object, items[i] as string, item);
    }
  }
}

function define(copy: object, key: string, value: unknown): void {
  // Assigning to `__proto__`, or to what a frozen prototype has, would not make a property.
  if (!(key in copy)) (copy as Record<string, unknown>)[key] = value;
  else Object.defineProperty(copy, key, { value, enumerable: true, writable: true });
}
