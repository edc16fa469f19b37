import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import {
  getEnvironmentData,
  isMainThread,
  setEnvironmentData,
  threadId,
} from 'node:worker_threads';
import { ShmError } from '../../errors.js';

/** Where a process or thread stands in its cluster. */
export interface Place {
  /** The same in all processes and threads of one cluster, and in no others. */
  readonly cluster: string;
  /** Of the peer. */
  readonly id: string;
}

/** What a main thread leaves for the threads of its process. */
const dataKey = 'mmap-transport/cluster';

/** Tells a worker from its primary: Node sets it for each worker, and keeps it from its children. */
const workerVariable = 'NODE_UNIQUE_ID';

/** Ancestors that are looked at, at most. */
const longestLine = 64;

const isLinux = process.platform === 'linux';

/** Found out once: a worker whose primary has died has another parent. */
const own = isMainThread ? placeOf(cluster.worker && String(cluster.worker.id)) : undefined;

// For threads that are made from now on. In them `node:cluster` says that they are the primary.
if (own) setEnvironmentData(dataKey, JSON.stringify(own));

/** @throws {ShmError} `ERR_UNSUPPORTED` in a thread that cannot tell */
export function findPlace(): Place {
  if (own) return own;
  const told = getEnvironmentData(dataKey);
  const place = typeof told === 'string' ? (JSON.parse(told) as Place) : placeFromOutside();
  return { cluster: place.cluster, id: `${place.id}/${threadId}` };
}

/** The main thread has not loaded this module: the kernel knows what the process was started with. */
function placeFromOutside(): Place {
  const environment = environmentOf('self');
  if (environment) return placeOf(environment.get(workerVariable));
  const detail =
    'expected the main thread to have told what this process is, got nothing; import ' +
    'mmap-transport/cluster there before the thread is made';
  throw new ShmError('ERR_UNSUPPORTED', detail, 'clusterBus');
}

/** @param worker its id; undefined: this process is the primary */
function placeOf(worker: string | undefined): Place {
  const pid = worker === undefined ? process.pid : findPrimary();
  return { cluster: `${pid} ${stat(pid)?.startTime ?? ''} ${application()}`, id: worker ?? '0' };
}

/**
 * The process that forked this worker: usually its parent. Behind a wrapper, such as a shell script
 * as `execPath`, it is the first ancestor that is not a worker: a wrapper was started with the
 * environment of the worker, the primary without it.
 */
function findPrimary(): number {
  let pid = process.ppid;
  for (let steps = 0; isLinux && steps < longestLine; steps++) {
    const environment = environmentOf(pid);
    if (!environment) break; // not this user's, or not in this container
    if (!environment.has(workerVariable)) return pid;
    const parent = stat(pid)?.parent ?? 0;
    if (parent <= 1) break;
    pid = parent;
  }
  return process.ppid;
}

/** What a process was started with; undefined where that cannot be read. */
function environmentOf(process: number | 'self'): Map<string, string> | undefined {
  const text = isLinux && read(`/proc/${process}/environ`);
  if (text === undefined || text === false) return undefined;
  return new Map(
    text.split('\0').map(entry => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** A process id is reused, and is not unique across containers; with the start time it is. */
function stat(pid: number): { parent: number; startTime: string } | undefined {
  const text = isLinux && read(`/proc/${pid}/stat`);
  if (text === undefined || text === false) return undefined;
  // The command's name, in parentheses, may hold anything; then state, parent, …, the 20th.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), startTime: fields[19] ?? '' };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/**
 * PM2's workers of all applications have one primary, which tells each which application it is of.
 */
function application(): string {
  const { pm_id: pm2, name = '' } = process.env;
  return pm2 === undefined ? '' : name;
}
