import { types } from 'node:util';

/*
 * Seven bytes in V8's format make a resizable ArrayBuffer, for which V8 reserves up to 4 GiB of
 * address space and an entry in the kernel's table of mappings, of which a process has some 65,000.
 * A few thousand that are kept would leave none for V8's own heap, and end the process. So a thread
 * has a limit for those that it received and that are still in use.
 */

const mostAlive = 8192;
const mostBytes = 2 ** 44;

/** From this part of a limit on, V8 is made to look which ones are still in use. */
const pressurePart = 1 / 4;
/** Once for each of this many. */
const pressureStep = 256;
/** V8 counts this as memory to collect; the system never has to provide it. */
const pressureBytes = 64 * 1024 * 1024;

/** How V8 marks one. */
const tag = 0x7e;

let alive = 0;
let reserved = 0;
const collected = new FinalizationRegistry<number>(bytes => {
  alive--;
  reserved -= bytes;
});

/** `resizable` and `maxByteLength` are newer than the library that this is compiled with. */
interface MaybeResizable {
  readonly resizable?: boolean;
  readonly maxByteLength?: number;
}

/**
 * To be called for every value that V8 has made of a peer's bytes. Costs a search for one byte,
 * unless that is found.
 *
 * @throws {RangeError} where the thread has too many resizable ArrayBuffers in use
 */
export function limitResizable(message: Uint8Array, value: unknown): void {
  if (!message.includes(tag)) return;
  const seen = new Set<unknown>();
  const waiting = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== 'object' || next === null || seen.has(next)) continue;
    seen.add(next);
    if (ArrayBuffer.isView(next)) waiting.push(next.buffer);
    else if (types.isAnyArrayBuffer(next)) count(next);
    else if (types.isMap(next)) for (const entry of next) waiting.push(entry[0], entry[1]);
    else if (types.isSet(next)) for (const part of next) waiting.push(part);
    // An array of a few bytes may claim to have 2^32 elements; those that it has took a byte each.
    else if (Array.isArray(next) && next.length <= message.length) addAll(next, waiting);
    else addAll(Object.values(next), waiting);
  }
}

function addAll(parts: readonly unknown[], to: unknown[]): void {
  for (const part of parts) if (typeof part === 'object') to.push(part);
}

function count(buffer: object): void {
  const { resizable, maxByteLength = 0 } = buffer as MaybeResizable;
  if (!resizable) return;
  if (alive >= mostAlive || reserved + maxByteLength > mostBytes) {
    throw new RangeError(
      `expected at most ${mostAlive} resizable ArrayBuffers in use, and ${mostBytes} bytes reserved for them`,
    );
  }
  alive++;
  reserved += maxByteLength;
  collected.register(buffer, maxByteLength);
  const isMany = alive > mostAlive * pressurePart || reserved > mostBytes * pressurePart;
  if (isMany && alive % pressureStep === 0) new ArrayBuffer(pressureBytes);
}
