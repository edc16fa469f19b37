import type { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { ShmError } from '../../errors.js';
import { checkArgument, isObject } from '../../native/arguments.js';
import { coreOf, type PayloadArena } from './arena.js';
import { type ArenaCore, openCore, type PayloadEntry } from './arena-core.js';
import type { Borrowed } from './borrowed.js';
import { entryOf } from './payload.js';
import { replaceDeep } from './replace-deep.js';
import * as messages from './task-messages.js';
import { operation, TaskRun } from './task-run.js';
import { knowThread } from './threads.js';
import { isPrivateView } from '../../native/view-kinds.js';

/** What is needed of a Piscina pool, of version 5 or 6. */
export interface Pool extends Pick<EventEmitter, 'on'> {
  /** Runs a task; its promise settles with the task. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the pool's own types say so
  run(task: any, options?: any): Promise<any>;
  /** How it was made. */
  readonly options: {
    /** With the arena's handle as `payloads`. */
    readonly workerData?: unknown;
  };
  /** Its threads, whose ends are listened for. */
  readonly threads: readonly Worker[];
}

/** Those of `pool.run`, which they are handed to, and how the result comes. */
export interface PayloadRunOptions {
  /** What is moved to the thread instead of cloned, as of `pool.run`. */
  transferList?: readonly unknown[];
  /** The worker's file. @default the pool's */
  filename?: string | null;
  /** The name of the handler that the file exports. @default the pool's */
  name?: string | null;
  /** Aborts the task, as of `pool.run`; its payloads are released once its thread has ended. */
  signal?: AbortSignal | EventEmitter | null;
  /** The result stays in the arena, until it is released. @default false */
  borrow?: boolean;
  /**
   * The arena that the result goes through. @default the arena whose handle is `payloads` in the pool's
   * `workerData`, else that of the task's first payload
   */
  arena?: PayloadArena;
}

/** Room beyond the task's own size for the result of a task of which nothing is known yet; bytes. */
const leastRoom = 16 * 1024;

/** What is known of a pool. */
interface PoolRecord {
  /** The arena that its `workerData` names, as far as this thread has it open. */
  own?: ArenaCore | undefined;
  /** How large results have been of late, by handler: a task brings that much room for its own. */
  readonly sizes: Map<string, number>;
}

const pools = new WeakMap<Pool, PoolRecord>();

/**
 * Runs a task whose handler was made with {@link payloadTask}. Payloads in the task are given away
 * with it: they are released when it has settled, unless they are to be kept. Views in the result
 * come back through the arena, without being cloned, as copies of your own; or with `borrow` where
 * they lie, until `release()`. What `Piscina.move` made of a task or a result is transferred.
 *
 * What the arena has no room for is cloned, as `pool.run` would, and so are views in the task that
 * are no payloads; `stats().fallbacks` counts both.
 *
 * @param task as for `pool.run`, with payloads anywhere in its objects, arrays, Maps and Sets
 * @returns what the handler returned; views of any kind, Buffers included, keep their kind
 * @throws {ShmError} `ERR_RELEASED` for a payload that is of no more use, `ERR_CLOSED` for an arena;
 *   `ERR_INVALID_ARG` where no arena is found, and for a handler that was not made with
 *   `payloadTask`; `ERR_USE_AFTER_FREE` for a result with a view of memory that is not the task's;
 *   and whatever `pool.run` throws
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
  checkArguments(pool, options);
  const moved = messages.unwrapMoved(task);
  if (moved) {
    // What `Piscina.move` asks for, which the pool does not see within an encoded task.
    const transfers = moved.transfers.filter(item => isObject(item) && !entryOf(item));
    options = { ...options, transferList: [...(options.transferList ?? []), ...transfers] };
    task = moved.value;
  }
  const record = recordOf(pool);
  const home = options.arena ? coreOf(options.arena) : record.own;
  const { value, payloads, clones } = replacePayloads(task, home, options.transferList);
  const core = home ?? payloads[0]?.core;
  if (!core) throw noArena(pool);
  core.checkOpen(operation);
  for (const { core, released } of payloads) {
    if (released) core.checkOpen(operation);
    if (released) throw core.error('ERR_RELEASED', 'a payload was released', operation);
  }
  const { filename, name } = options;
  const handler = filename ? `${name ?? ''}\n${filename}` : (name ?? '');
  // At first as much as the task takes in, and some more.
  const room =
    record.sizes.get(handler) ?? payloads.reduce((sum, { length }) => sum + length, leastRoom);
  const priority = (task as { [messages.queueOptions]?: unknown } | null)?.[messages.queueOptions];
  const run = new TaskRun(core, payloads, room);
  const message = run.message(value, core === record.own ? null : core.path);
  if (priority !== undefined) Object.assign(message, { [messages.queueOptions]: priority });
  let answer: unknown;
  try {
    answer = await pool.run(message, options);
  } catch (error) {
    throw run.abandon(error);
  }
  const plain: messages.TaskResult = [core.mark, 0, 0, answer];
  const result = messages.isResult(answer, core.mark) ? answer : plain;
  const [, , wanted] = result;
  core.fallbacks += clones;
  // Down slowly: results of different sizes may alternate.
  const shrunk = Math.floor((7 * (record.sizes.get(handler) ?? 0) + wanted) / 8);
  record.sizes.set(handler, Math.max(wanted, shrunk));
  return run.settle(result, options.borrow ?? false);
}

/** Nothing is changed by a wrong argument, and no payload lost. */
function checkArguments(pool: Pool, options: PayloadRunOptions): void {
  const check = (isRight: boolean, name: string, expected: string, got: unknown) =>
    checkArgument(isRight, operation, name, expected, got);
  const isPool = isObject(pool) && typeof pool.run === 'function' && Boolean(pool.options);
  check(isPool, 'pool', 'a Piscina pool', pool);
  check(isObject(options), 'options', 'an object', options);
  const { transferList = [], filename, name, signal, arena } = options;
  check(Array.isArray(transferList), 'options.transferList', 'an array', transferList);
  check(typeof (filename ?? '') === 'string', 'options.filename', 'a string', filename);
  check(typeof (name ?? '') === 'string', 'options.name', 'a string', name);
  check(typeof (signal ?? {}) === 'object', 'options.signal', 'an AbortSignal', signal);
  check(!arena || coreOf(arena) !== undefined, 'options.arena', 'a PayloadArena', arena);
}

/** @returns the task with references for its payloads, those, and how many other views it has */
function replacePayloads(
  task: unknown,
  home: ArenaCore | undefined,
  moved: readonly unknown[] | undefined,
) {
  const payloads: PayloadEntry[] = [];
  let clones = 0;
  const replace = (object: object): messages.PayloadRef | undefined => {
    const entry = entryOf(object);
    if (entry) {
      payloads.push(entry);
      const { core, kind, length, data, block } = entry;
      const taskCore = home ?? payloads[0]!.core;
      const path = core === taskCore ? null : core.path;
      return [taskCore.mark, kind, data ?? block?.offset ?? 0, length, path];
    }
    if (isPrivateView(object) && !moved?.includes(object.buffer)) clones++;
    return undefined;
  };
  try {
    return { value: replaceDeep(task, replace), payloads, clones };
  } catch (error) {
    // A task that cannot be read has settled, like one that cannot be cloned.
    for (const entry of payloads) if (entry.uses === 0 && !entry.keep) entry.release();
    throw error;
  }
}

function recordOf(pool: Pool): PoolRecord {
  let record = pools.get(pool);
  if (!record) {
    record = { sizes: new Map() };
    pools.set(pool, record);
    for (const worker of pool.threads) knowThread(worker);
  }
  if (record.own?.closed ?? true) record.own = openCore(messages.pathIn(pool.options.workerData));
  return record;
}

function noArena({ options }: Pool): ShmError {
  const path = messages.pathIn(options.workerData);
  const detail = path
    ? 'the arena of the pool has been closed, or was never opened in this thread'
    : 'expected options.arena, or a handle in workerData.payloads of the pool';
  return new ShmError(path ? 'ERR_CLOSED' : 'ERR_INVALID_ARG', detail, operation, path);
}
