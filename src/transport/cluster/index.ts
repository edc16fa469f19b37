import cluster from 'node:cluster';
import { Bus } from '../bus/bus.js';
import type { BusOptions } from '../bus/bus-options.js';
import { findPlace } from './place.js';

export interface ClusterBusOptions<T> extends Omit<BusOptions<T>, 'id'> {
  /** Tells several buses of one cluster apart. @default '' */
  name?: string;
}

/** The bus of this process, by name. */
const buses = new Map<string, Promise<Bus>>();

/**
 * The bus of a cluster: the primary is peer '0', workers are '1', '2', …: their
 * `cluster.worker.id`, which no later worker has again. A worker thread of either is a peer of its
 * own, with its `threadId` behind that: '0/1', '2/5'. The same call in the primary, in workers and in
 * threads, in any order, before or after `fork`; a second call in a thread gives the same bus.
 *
 * It does not keep a process alive beside its cluster. A worker leaves the bus when it is
 * disconnected. Under a process manager that owns the primary (PM2), the workers of one
 * application are on the bus, and '0' is not.
 *
 * @throws {ShmError} (rejects) as `Bus.join`; `ERR_UNSUPPORTED` in a thread where nothing tells what
 *   its process is: on other systems than Linux the main thread has to import this module first
 * @example
 * const bus = await clusterBus<Message>();
 * bus.on('message', (message, from) => …);
 * bus.broadcast({ invalidate: key });
 */
export async function clusterBus<T = unknown>(options: ClusterBusOptions<T> = {}): Promise<Bus<T>> {
  const { cluster: which, id } = findPlace();
  const name = `cluster ${which} ${options.name ?? ''}`;
  let bus = buses.get(name) as Promise<Bus<T>> | undefined;
  if (bus) return bus;
  bus = join<T>(name, { ...options, id });
  buses.set(name, bus as Promise<Bus>);
  const forget = () => buses.delete(name);
  bus.then(joined => joined.once('close', forget), forget);
  return bus;
}

async function join<T>(name: string, options: BusOptions<T>): Promise<Bus<T>> {
  const bus = await Bus.join<T>(name, options);
  bus.unref();
  cluster.worker?.once('disconnect', () => void bus.close());
  return bus;
}
