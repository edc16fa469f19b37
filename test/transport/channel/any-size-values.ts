import { createHash } from 'node:crypto';
import { random } from '../../support/traffic.js';

/** A value of a kind that takes about so many bytes, the same for the same numbers. */
export interface What {
  kind: 'bytes' | 'string' | 'wide' | 'list' | 'map';
  bytes: number;
  seed?: number;
}

const pool = Buffer.alloc(64 * 1024);
const next = random(1);
for (let i = 0; i < pool.length; i++) pool[i] = next(256);

export function make({ kind, bytes, seed = 0 }: What): unknown {
  if (kind === 'bytes' || kind === 'map') {
    const value = Buffer.alloc(bytes);
    // Shifted from round to round: a piece that came twice, or not, would show.
    for (let at = 0, round = seed; at < bytes; at += pool.length - 256, round++) {
      pool.copy(value, at, round % 256, (round % 256) + pool.length - 256);
    }
    return kind === 'bytes' ? value : new Map([[seed, value]]);
  }
  if (kind === 'list') {
    const list: unknown[] = [];
    for (let left = bytes, id = seed; left > 0; left -= 40, id++) {
      list.push({ id, name: `name ${id}`, tags: [id & 15, 'x'], at: id / 3 });
    }
    return list;
  }
  const text = kind === 'wide' ? 'hällo 😀 ' : 'hello world, this is text. ';
  return `${seed} ${text.repeat(Math.ceil(bytes / Buffer.byteLength(text)))}`;
}

/** Tells values apart, whatever they are. */
export function digest(value: unknown): string {
  const hash = createHash('sha1');
  if (value instanceof Map) {
    for (const [key, part] of value) hash.update(`${key as number} ${digest(part)}`);
  } else if (ArrayBuffer.isView(value)) hash.update(value as Uint8Array);
  else if (typeof value === 'string') hash.update(value);
  else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1000)
      hash.update(JSON.stringify(value.slice(i, i + 1000)));
  } else hash.update(JSON.stringify(value) ?? 'undefined');
  return hash.digest('hex');
}
