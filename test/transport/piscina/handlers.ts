// What the pools of these tests run.
import { createHash } from 'node:crypto';
import { closeSync, openSync, read } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { threadId } from 'node:worker_threads';
import { move } from 'piscina';
import { type PayloadContext, payloadTask } from '../../../src/transport/piscina/index.js';

/** Comes back as it was. */
export const echo = payloadTask((task: unknown) => task);
export default echo;

export const echoLater = payloadTask(async (task: unknown) => {
  await delay(1);
  return task;
});

/** Says what arrived. */
export const describeView = payloadTask((view: ArrayBufferView) => ({
  kind: view.constructor.name,
  isShared: view.buffer instanceof SharedArrayBuffer,
  length: view.byteLength,
  digest: digest(view),
}));

export const digest = (view: ArrayBufferView) =>
  createHash('sha256')
    .update(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
    .digest('hex');

/** Changes a payload where it lies. */
export const increment = payloadTask((bytes: Uint8Array) => {
  for (let i = 0; i < bytes.length; i++) bytes[i]!++;
  return bytes;
});

interface Wish {
  bytes: number;
  value: number;
}

/** Makes a result in the thread's own memory. */
export const make = payloadTask(({ bytes, value }: Wish) => Buffer.alloc(bytes, value));

/** Makes a result in place, as far as there is room for it. */
export const makeInPlace = payloadTask(({ bytes, value }: Wish, { allocate }) =>
  allocate(bytes).fill(value),
);

/** Results of every kind, within others. */
export const makeMany = payloadTask(({ bytes }: { bytes: number }) => {
  const buffer = Buffer.alloc(bytes, 1);
  const cycle: Record<string, unknown> = { buffer, list: [new Float64Array([1.5, -2]), buffer] };
  cycle.self = cycle;
  return {
    cycle,
    map: new Map([['view', new DataView(new ArrayBuffer(3000))]]),
    set: new Set([new BigInt64Array(300).fill(-5n)]),
    part: Buffer.from('abcdef').subarray(2, 4),
    date: new Date(0),
    nothing: undefined,
    empty: new Uint8Array(0),
  };
});

/** `Piscina.move` of the version that runs this thread: each knows only its own. */
function mover(version: string): typeof move {
  if (!version.startsWith('v6.')) return move;
  return (createRequire(import.meta.url)('piscina-6') as { move: typeof move }).move;
}

export const moveResult = payloadTask((version: string): unknown =>
  mover(version)(new Uint8Array(5000).fill(9)),
);

/** Moves what it was given, which is the arena's to give. */
export const movePayload = payloadTask(
  ({ version, bytes }: { version: string; bytes: Uint8Array<ArrayBuffer> }): unknown =>
    mover(version)(bytes),
);

export const fail = payloadTask((task: { bytes: Uint8Array }) => {
  throw new Error(`on purpose, with ${task.bytes.length} bytes`);
});

/** Runs until it is terminated, and writes all the time. */
export const spin = payloadTask((task: { bytes: Uint8Array; started?: Int32Array }) => {
  if (task.started) Atomics.notify(task.started, Atomics.add(task.started, 0, 1));
  for (;;) task.bytes.fill(0xee);
});

export const exit = payloadTask(() => process.exit(3));

let kept: Uint8Array | undefined;

/** Keeps its payload beyond the task, which it must not. */
export const keep = payloadTask((bytes: Uint8Array) => {
  kept = bytes;
  return 1;
});

/** What has become of the payload that was kept. */
export const useKept = payloadTask(() => ({ length: kept!.length, sum: kept!.length && kept![0] }));
export const returnKept = payloadTask(() => kept);

/** Has Node read into its payload, and does not wait for it, which it must. */
export const readLater = payloadTask(({ bytes, fifo }: { bytes: Uint8Array; fifo: string }) => {
  const fd = openSync(fifo, 'r+');
  read(fd, bytes, 0, 10, null, () => closeSync(fd));
});

/** What the owner's random outcomes ask for. */
export const random = payloadTask(
  async (task: { bytes: Uint8Array; outcome: 'return' | 'throw' | 'wait'; seed: number }) => {
    if (task.outcome === 'wait') await delay(60_000);
    if (task.outcome === 'throw') throw new Error('on purpose');
    const check = task.bytes.every(byte => byte === (task.seed & 0xff));
    return { check, bytes: task.bytes, thread: threadId };
  },
);

/** No handler of payloadTask's. */
export const plain = (task: unknown) => ({ got: typeof task });

/** Handlers that were not made with payloadTask. */
export const plainEcho = (task: unknown) => task;
export const plainText = () => 'text';
export const plainNothing = () => {};
export const plainReader = (task: { image: Uint8Array }) => task.image.length;

/** A result of another realm, as Jest's modules make them. */
export const makeInRealm = payloadTask((bytes: Uint8Array): unknown =>
  runInNewContext(
    '({ list: [new Float64Array([1.5, 2])], map: new Map([["bytes", bytes]]), date: new Date(5) })',
    { bytes },
  ),
);

/** A view of shared memory. */
export const shareMemory = payloadTask(({ memory }: { memory: SharedArrayBuffer }) => ({
  view: new Int32Array(memory),
}));

/** Asks for memory that there cannot be. */
export const allocateWrong = payloadTask((length: number, { allocate }) => {
  try {
    return allocate(length).length;
  } catch (error) {
    return (error as { code?: string }).code;
  }
});

/** Takes anything, and returns none of it. */
export const describeTask = payloadTask((task: unknown) => typeof task);

let pending: PayloadContext['allocate'];

/** Leaves its context behind, as a handler does that lost a race against a timer. */
export const leaveAllocate = payloadTask((_task: unknown, { allocate }) => {
  pending = allocate;
});
export const allocateLate = payloadTask(() => {
  pending(1000).fill(0xcc);
});
