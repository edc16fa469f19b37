import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { Bus } from '../bus/bus.js';
import type { BusOptions } from '../bus/options.js';

export interface ClusterBusOptions<T> extends Omit<BusOptions<T>, 'id'> {
  /** Tells several buses of one cluster apart. @default '' */
  name?: string;
}

/** The bus of this process, by name. */
const buses = new Map<string, Promise<Bus>>();

/**
 * The bus of a cluster: the primary is peer '0', workers are '1', '2', …: their
 * `cluster.worker.id`, which no later worker has again. The same call in the primary and in
 * workers, in any order, before or after `fork`; a second call gives the same bus.
 *
 * It does not keep a process alive beside its cluster. A worker leaves the bus when it is
 * disconnected. Under a process manager that owns the primary (PM2), the workers of one
 * application are on the bus, and '0' is not.
 *
 * @throws {ShmError} as `Bus.join`
 * @example
 * const bus = await clusterBus<Message>();
 * bus.on('message', (message, from) => …);
 * bus.broadcast({ invalidate: key });
 */
export function clusterBus<T = unknown>(options: ClusterBusOptions<T> = {}): Promise<Bus<T>> {
  const name = `cluster ${primary()} ${application()} ${options.name ?? ''}`;
  let bus = buses.get(name) as Promise<Bus<T>> | undefined;
  if (bus) return bus;
  bus = join<T>(name, options);
  buses.set(name, bus as Promise<Bus>);
  const forget = () => buses.delete(name);
  bus.then(joined => joined.once('close', forget), forget);
  return bus;
}

async function join<T>(name: string, options: ClusterBusOptions<T>): Promise<Bus<T>> {
  const id = cluster.worker ? String(cluster.worker.id) : '0';
  const bus = await Bus.join<T>(name, { ...options, id });
  bus.unref();
  cluster.worker?.once('disconnect', () => void bus.close());
  return bus;
}

/**
 * What tells the primary from any other process of this machine. Both sides find it out by
 * themselves, so that a worker forked before the primary's first call has it too.
 */
function primary(): string {
  const pid = cluster.isPrimary ? process.pid : process.ppid;
  return `${pid} ${startTime(pid)}`;
}

/** A process id is used again, and is not one across containers; with this it is. */
function startTime(pid: number): string {
  if (process.platform !== 'linux') return '';
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name, in parentheses, may hold anything; the time is the 20th after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** PM2's workers of all applications have one primary, which tells them whose they are. */
function application(): string {
  const { pm_id: pm2, name = '' } = process.env;
  return pm2 === undefined ? '' : name;
}
