/**
 * A bus for `node:cluster`: its primary, its workers and their threads.
 *
 * @category Reference
 * @module mmap-transport/cluster
 */
import cluster from 'node:cluster';
import { aString, checkOptions } from '../../native/arguments.js';
import { Bus } from '../bus/bus.js';
import { type BusOptions, busRules } from '../bus/bus-options.js';
import { findPlace } from './place.js';

/** Options of {@link clusterBus}: those of `Bus.join`, but for the id, which the cluster gives. */
export interface ClusterBusOptions<T> extends Omit<BusOptions<T>, 'id'> {
  /** Tells several buses of one cluster apart. @default '' */
  name?: string;
}

interface Membership {
  readonly joining: Promise<Bus>;
  bus?: Bus;
}

const rules = {
  ...Object.fromEntries(Object.entries(busRules).filter(([option]) => option !== 'id')),
  name: aString,
};

/** The buses of this thread, by name. */
const memberships = new Map<string, Membership>();

/**
 * The bus of a cluster: the primary is peer '0', workers are '1', '2', …: their
 * `cluster.worker.id`, which no later worker has again. A worker thread of either is a peer of its
 * own, with its `threadId` behind that: '0/1', '2/5'. The same call in the primary, in workers and in
 * threads, in any order, before or after `fork`; a second call in a thread gives the same bus, as
 * long as that is not closed.
 *
 * It does not keep a process alive beside its cluster. A worker leaves the bus when it is
 * disconnected, also while it joins. Under a process manager that owns the primary (PM2), the workers of one
 * application are on the bus, and '0' is not.
 *
 * @throws {ShmError} (rejects) as `Bus.join`; `ERR_UNSUPPORTED` in a thread where nothing tells what
 *   its process is: on other systems than Linux the main thread has to import this module first
 * @example
 * const bus = await clusterBus<Message>();
 * bus.on('message', (message, from) => console.log(from, message));
 * const full = bus.broadcast({ invalidate: key }); // the ids of peers that did not get it
 */
export async function clusterBus<T = unknown>(options: ClusterBusOptions<T> = {}): Promise<Bus<T>> {
  checkOptions('clusterBus', options, rules);
  const { cluster: which, id } = findPlace();
  const { name: ownName = '', ...ofBus } = options;
  const name = `cluster ${which} ${ownName}`;
  let membership = memberships.get(name);
  // Looked at, not listened for: a listener on a user's bus could be removed or counted.
  if (!membership || membership.bus?.closed) {
    membership = { joining: join(name, { ...ofBus, id }) };
    memberships.set(name, membership);
    watch(name, membership);
  }
  return membership.joining as Promise<Bus<T>>;
}

async function join(name: string, options: BusOptions<unknown>): Promise<Bus> {
  const bus = await Bus.join(name, options);
  bus.unref();
  return bus;
}

function watch(name: string, membership: Membership): void {
  membership.joining.then(
    bus => (membership.bus = bus),
    () => memberships.delete(name),
  );
  const { worker } = cluster;
  if (!worker?.listeners('disconnect').includes(leave)) worker?.once('disconnect', leave);
}

/** This worker was disconnected, perhaps while it joins. */
function leave(): void {
  const warn = (error: unknown) => process.emitWarning(error as Error);
  for (const { joining } of memberships.values()) {
    joining.then(
      bus => void bus.close().catch(warn),
      () => {}, // the caller of `clusterBus` gets it
    );
  }
}
