// A peer of a bus, as a process or as a thread: does what the others ask it to.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Bus, type BusOptions } from '../../../src/index.js';
import { Traffic } from '../../support/traffic.js';

export interface BusOrders extends Omit<BusOptions<unknown>, 'codec'> {
  name: string;
}

/** What it is asked. */
export type Task =
  | { does: 'echo'; value: unknown }
  | { does: 'fail' | 'hang' | 'die' | 'leave' | 'peers' | 'exit' | 'events' }
  /** Sends this many messages of {@link traffic}, all of them. */
  | { does: 'send'; to: string; count: number }
  /** How many messages of {@link traffic} came from there; checked as they come. */
  | { does: 'received'; from: string };

/** A peer that it saw come or go. */
export interface Event {
  what: 'join' | 'leave';
  id: string;
  /** Milliseconds since the epoch, with fractions. */
  at: number;
}

export const now = () => performance.timeOrigin + performance.now();

/** The messages from one peer to another, the same for both. */
export function traffic(from: string, to: string): Traffic {
  const seed = Buffer.from(`${from} ${to}`).reduce((sum, byte) => (sum * 31 + byte) | 0, 7);
  return new Traffic(seed, 3000);
}

export async function sendTraffic(bus: Bus, to: string, count: number): Promise<void> {
  const sent = traffic(bus.id, to);
  while (sent.count < count) {
    const bytes = sent.next();
    while (!bus.send(to, bytes)) await bus.ready(to);
  }
}

/** Checks what comes from any peer; says how many messages came from one peer. */
export function receiveTraffic(bus: Bus): (from: string) => number {
  const received = new Map<string, Traffic>();
  bus.on('message', (bytes, from) => {
    let seen = received.get(from);
    if (!seen) received.set(from, (seen = traffic(from, bus.id)));
    seen.verify(bytes as Uint8Array);
  });
  return from => received.get(from)?.count ?? 0;
}

async function run({ name, ...options }: BusOrders): Promise<void> {
  const bus = await Bus.join(name, options);
  const events: Event[] = [];
  bus.on('join', id => events.push({ what: 'join', id, at: now() }));
  bus.on('leave', id => events.push({ what: 'leave', id, at: now() }));
  const count = receiveTraffic(bus);
  bus.onRequest(async request => {
    const task = request as Task;
    switch (task.does) {
      case 'echo':
        return task.value;
      case 'fail':
        throw Object.assign(new RangeError('no such thing'), { code: 'E_THING' });
      case 'hang':
        return new Promise(() => {});
      case 'die':
        process.kill(process.pid, 'SIGKILL');
        return undefined;
      case 'exit':
        return process.exit();
      case 'leave':
        setImmediate(() => void bus.close().then(end));
        return undefined;
      case 'peers':
        return [...bus.peers].sort();
      case 'events':
        return events;
      case 'send':
        await sendTraffic(bus, task.to, task.count);
        return task.count;
      case 'received':
        return count(task.from);
    }
  });
  tell('joined');
}

function tell(value: unknown): void {
  if (parentPort) parentPort.postMessage(value);
  else if (process.send) process.send(value);
  else console.log(value);
}

function end(): void {
  if (isMainThread && process.connected) process.disconnect();
}

// Started as a peer, not imported for what it exports.
if (!isMainThread && (workerData as BusOrders)?.name) void run(workerData as BusOrders);
else if (process.argv[1] === import.meta.filename && process.argv[2]) {
  void run(JSON.parse(process.argv[2]) as BusOrders);
}
