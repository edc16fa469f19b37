// How the workers of the cluster talk: over the bus, or with what Node has.
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { clusterBus } from '../../src/transport/cluster/index.js';

/** What the leader, which keeps the values, is asked. */
export type Request = { get: string } | { put: string; value: string };

/** An entry as it is kept, or the news that it has changed. */
export interface Entry {
  key: string;
  value: string;
  version: number;
  /** When it was changed: milliseconds since the epoch, with fractions. */
  changed: number;
}

export interface Messenger {
  /** Asks the leader, which is worker 1. */
  ask(request: Request): Promise<Entry>;
  onAsk(answer: (request: Request) => Entry): void;
  /** Tells every other worker. */
  tell(entry: Entry): void;
  onTold(hear: (entry: Entry) => void): void;
}

export const leader = '1';

/** Every worker talks to every other one. */
export async function busMessenger(workers: number): Promise<Messenger> {
  const bus = await clusterBus<Request | Entry>();
  while (bus.peers.size < workers - 1) await once(bus, 'join');
  return {
    ask: request => bus.request(leader, request) as Promise<Entry>,
    onAsk: answer => bus.onRequest(request => answer(request as Request)),
    tell(entry) {
      for (const id of bus.broadcast(entry)) void catchUp(id, entry);
    },
    onTold: hear => void bus.on('message', entry => hear(entry as Entry)),
  };

  /** For a worker that is so far behind that there was no room. */
  async function catchUp(id: string, entry: Entry): Promise<void> {
    while (bus.peers.has(id) && !bus.send(id, entry)) await bus.ready(id);
  }
}

interface Letter {
  to?: number;
  from: number;
  id?: number;
  request?: Request;
  answer?: Entry;
  news?: Entry;
}

/** `process.send` reaches the primary only, which has to pass everything on. */
export function relayMessenger(): Messenger {
  const asked = new Map<number, (entry: Entry) => void>();
  let lastId = 0;
  let answer: (request: Request) => Entry;
  let hear: (entry: Entry) => void = () => {};
  const from = cluster.worker!.id;
  const send = (letter: Letter) => process.send!(letter, undefined, undefined, () => {});
  process.on('message', (letter: Letter) => {
    const { id, request } = letter;
    if (request) send({ from, to: letter.from, id: id!, answer: answer(request) });
    else if (letter.news) hear(letter.news);
    else if (asked.has(id!)) {
      asked.get(id!)!(letter.answer!);
      asked.delete(id!);
    }
  });
  return {
    ask: request =>
      new Promise(resolve => {
        const id = ++lastId;
        asked.set(id, resolve);
        send({ from, to: Number(leader), id, request });
      }),
    onAsk: given => void (answer = given),
    tell: news => void send({ from, news }),
    onTold: given => void (hear = given),
  };
}

/** In the primary: to one worker, or to all but the sender. */
export function relay(workers: Worker[]): void {
  cluster.on('message', (_worker, letter: Letter) => {
    if (typeof letter !== 'object' || !letter.from) return;
    for (const worker of workers) {
      const isMeant = letter.to === undefined ? worker.id !== letter.from : worker.id === letter.to;
      // One that is leaving may be gone already.
      if (isMeant && worker.isConnected()) worker.send(letter, () => {});
    }
  });
}
