import type { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { invalidArgument, ShmError } from '../../errors.js';
import { openArena, type PayloadArena, storeOf } from './arena.js';
import type { Borrowed } from './loan.js';
import {
  type Answer,
  isMoved,
  newDescription,
  queueOptions,
  tellBytes,
  tellPlace,
  transferable,
  unsealAnswer,
  valueOf,
} from './messages.js';
import { holdingOf, Payload } from './payload.js';
import { type Described, Run } from './run.js';
import type { Store } from './store.js';
import { substitute } from './substitute.js';
import { knowThread } from './threads.js';

/** What is needed of a Piscina pool, of version 5 or 6. */
export interface Pool extends Pick<EventEmitter, 'on'> {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the pool's own types say so
  run(task: any, options?: any): Promise<any>;
  readonly options: { readonly workerData?: unknown };
  readonly threads: readonly Worker[];
}

/** Those of `pool.run`, which they are handed to, and how the result comes. */
export interface PayloadRunOptions {
  transferList?: readonly unknown[];
  filename?: string | null;
  name?: string | null;
  signal?: AbortSignal | EventEmitter | null;
  /** The result stays in the arena, until it is released. @default false */
  borrow?: boolean;
  /**
   * Where the result is to lie. @default the arena whose handle is `payloads` in the pool's
   * `workerData`, else that of the task's first payload
   */
  arena?: PayloadArena;
}

const operation = 'runWithPayloads';

/** Room beyond its own size for the result of a task of which nothing is known yet; bytes. */
const leastRoom = 16 * 1024;

/** What is known of a pool. */
interface Acquaintance {
  /** The arena that its `workerData` names, as far as this thread has it open. */
  own: PayloadArena | undefined;
  /** The store that was used last, which knows the pool's threads. */
  store: Store | undefined;
  /** How large results have been of late, by filename and name. */
  readonly sizes: Map<string, { bytes: number | undefined }>;
}

const pools = new WeakMap<Pool, Acquaintance>();

/**
 * Runs a task whose handler was made with {@link payloadTask}. Payloads in the task are
 * given away with it: they are released when it has settled, unless they are to be kept.
 * Views in the result come back through the arena, without being cloned, as copies of your
 * own; or with `borrow` where they lie, until `release()`.
 *
 * What the arena has no room for is cloned, as `pool.run` would, and counted in its
 * `stats().fallbacks`.
 *
 * @param task as for `pool.run`, with payloads anywhere in its objects, arrays, maps, sets
 * @returns what the handler returned; views of any kind, Buffers included, keep their kind
 * @throws {ShmError} `ERR_RELEASED` for a payload that is of no more use, `ERR_CLOSED` for
 *   an arena; `ERR_INVALID_ARG` where no arena is to be found, and for another handler;
 *   `ERR_USE_AFTER_FREE` for a result with a view of memory that is not the task's; and
 *   whatever `pool.run` throws
 * @example
 * using tags = await runWithPayloads(pool, arena.share(bytes), { borrow: true });
 * socket.write(tags.value);
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as `pool.run`
export function runWithPayloads<R = any>(
  pool: Pool,
  task: unknown,
  options: PayloadRunOptions & { borrow: true },
): Promise<Borrowed<R>>;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as `pool.run`
export function runWithPayloads<R = any>(
  pool: Pool,
  task: unknown,
  options?: PayloadRunOptions & { borrow?: false },
): Promise<R>;
export async function runWithPayloads(
  pool: Pool,
  task: unknown,
  options: PayloadRunOptions = {},
): Promise<unknown> {
  if (!(task instanceof Payload) && isMoved(task)) {
    // What `Piscina.move` asks for, which the pool does not see within an envelope.
    const transferList = [...(options.transferList ?? []), task[transferable]].flat();
    options = { ...options, transferList };
    task = task[valueOf];
  }
  const acquaintance = acquaint(pool);
  const { own, sizes } = acquaintance;
  const home = options.arena ?? own;
  let payloads: Described[];
  let described: unknown;
  if (task instanceof Payload) {
    payloads = [describe(task, home && storeOf(home))];
    described = payloads[0]!.description;
  } else {
    payloads = [];
    described = substitute(task, object => {
      if (!(object instanceof Payload)) return undefined;
      const nearest = home ? storeOf(home) : payloads[0]?.holding.store;
      const payload = describe(object, nearest);
      payloads.push(payload);
      return payload.description;
    });
  }
  const store = home ? storeOf(home) : payloads[0]?.holding.store;
  if (!store) {
    const expected = 'that of the pool: its handle as `payloads` in the workerData, or an arena';
    throw invalidArgument(operation, 'arena', expected, home);
  }
  store.checkOpen(operation);
  if (acquaintance.store !== store) {
    acquaintance.store = store;
    store.listen();
    for (const worker of pool.threads) knowThread(worker);
  }
  const size = sizeOf(sizes, options);
  const wanted = size.bytes ?? firstRoom(payloads);
  const known = home !== undefined && home === own;
  const run = new Run(store, described, payloads, wanted, known);

  let answer: Answer | undefined;
  try {
    const priority = (task as { [queueOptions]?: unknown } | null | undefined)?.[queueOptions];
    if (priority !== undefined) Object.assign(run.message, { [queueOptions]: priority });
    answer = unsealAnswer(await pool.run(run.message, options));
  } catch (error) {
    run.abandon();
    throw error;
  }
  if (!answer) {
    run.abandon();
    const detail = 'expected a handler made with payloadTask, got the result of another';
    throw new ShmError('ERR_INVALID_ARG', detail, operation);
  }
  learn(size, answer.wanted);
  return options.borrow ? run.lend(answer) : run.copy(answer);
}

/** @param nearest where the result will lie, whose path need not be told; by default, here */
function describe(payload: Payload, nearest: Store | undefined): Described {
  const holding = holdingOf(payload);
  const { store, kind, length, data, block, released } = holding;
  if (released) throw store.error('ERR_RELEASED', 'this payload was released', operation);
  const description = newDescription(kind);
  if (data) tellBytes(description, data);
  else
    tellPlace(description, block!.offset, length, store === (nearest ?? store) ? null : store.path);
  return { holding, description };
}

function acquaint(pool: Pool): Acquaintance {
  let acquaintance = pools.get(pool);
  if (!acquaintance) {
    acquaintance = { own: undefined, store: undefined, sizes: new Map() };
    pools.set(pool, acquaintance);
  }
  if (acquaintance.own === undefined || acquaintance.own.closed) {
    const data = pool.options.workerData as { payloads?: { path?: unknown } } | null | undefined;
    const path = data?.payloads?.path;
    acquaintance.own = typeof path === 'string' ? openArena(path) : undefined;
  }
  return acquaintance;
}

function sizeOf(
  sizes: Acquaintance['sizes'],
  { filename, name }: PayloadRunOptions,
): { bytes: number | undefined } {
  const key = filename ? `${name ?? ''}\n${filename}` : (name ?? '');
  let size = sizes.get(key);
  if (!size) sizes.set(key, (size = { bytes: undefined }));
  return size;
}

/**
 * A task brings as much room for its result as the largest of late; at first as much as it
 * takes in, and some more. A thread that needs more asks for it, which takes a turn of both
 * event loops.
 */
function firstRoom(payloads: Described[]): number {
  return payloads.reduce((sum, { holding }) => sum + holding.length, leastRoom);
}

function learn(size: { bytes: number | undefined }, wanted: number): void {
  const before = size.bytes ?? 0;
  // Down slowly: results of all sizes may come in turns.
  size.bytes = wanted >= before ? wanted : before - Math.ceil((before - wanted) / 8);
}
