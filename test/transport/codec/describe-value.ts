import { types } from 'node:util';

const read = (value: object, key: PropertyKey) => Reflect.get(value, key) as unknown;

function inner(value: object): unknown[] {
  if (types.isDate(value)) return ['Date', value.getTime()];
  if (types.isRegExp(value)) return ['RegExp', value.source, value.flags];
  if (types.isMap(value)) return ['Map', ...[...value].flat(1)];
  if (types.isSet(value)) return ['Set', ...value];
  if (types.isBoxedPrimitive(value)) return ['boxed', value.valueOf()];
  if (types.isNativeError(value)) return ['Error', value.name];
  if (types.isAnyArrayBuffer(value)) {
    const bytes = Buffer.from(value as ArrayBuffer).toString('hex');
    return [value.constructor.name, bytes, read(value, 'maxByteLength'), read(value, 'resizable')];
  }
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return [Buffer.isBuffer(value), bytes.toString('hex')];
  }
  return [];
}

/** Everything that can be told of a value which was received, as one line: two alike are alike. */
export function describeValue(root: unknown): string {
  const seen = new Map<object, number>();
  const parts: string[] = [];
  // No recursion: values go deeper than the stack.
  const stack: unknown[] = [root];
  const literal = new WeakSet<object>();
  const say = (text: string) => {
    const part = { text };
    literal.add(part);
    return part;
  };
  while (stack.length > 0) {
    const value = stack.pop();
    if (typeof value !== 'object' || value === null) {
      parts.push(typeof value, Object.is(value, -0) ? '-0' : String(value));
      continue;
    }
    if (literal.has(value)) {
      parts.push((value as { text: string }).text);
      continue;
    }
    const number = seen.get(value);
    if (number !== undefined) {
      parts.push(`#${number}`);
      continue;
    }
    seen.set(value, seen.size);
    const prototype = Object.getPrototypeOf(value) as object | null;
    parts.push(
      Object.prototype.toString.call(value),
      String(prototype && (read(prototype, 'constructor') as { name: string }).name),
      String(prototype === Object.prototype),
      String(Object.isExtensible(value)),
    );
    const inside: unknown[] = inner(value);
    if (!ArrayBuffer.isView(value)) {
      for (const key of Reflect.ownKeys(value)) {
        const descriptor = Object.getOwnPropertyDescriptor(value, key)!;
        const { enumerable, configurable, writable } = descriptor;
        const flags = [enumerable, configurable, writable, 'get' in descriptor];
        inside.push(say(`${String(key)} ${flags.join()}`), read(value, key));
      }
    }
    stack.push(say(')'));
    for (const part of inside.reverse()) stack.push(part);
    stack.push(say('('));
  }
  return parts.join(' ');
}
