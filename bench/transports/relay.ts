import cluster, { type Worker } from 'node:cluster';
import type { Ack, News } from '../messages.js';
import { AllAnswers } from './answers.js';
import type { ClusterContext, ClusterTransport, Sender } from './transport.js';

/** What a worker gives the primary to pass on: to one worker, or to all others. */
interface Relayed {
  to: number;
  value: News | Ack;
}

const everybody = 0;

/** Messages sent before the sender waits until the pipe has taken them. */
const window = 64;

/** The id of the worker that measures, where one does. */
const first = 1;

/** What `cluster` offers: primary and worker talk, and workers talk through the primary. */
export const relays: ClusterTransport[] = [
  variant('send-down', 'process.send, primary to worker', 'primary', 1),
  variant('relay-across', 'process.send, relayed by the primary', 'worker', 1),
  variant('send-broadcast', 'process.send, primary to 4 workers', 'primary', 4),
  variant('relay-broadcast', 'process.send, relayed to 4 workers', 'worker', 4),
];

function variant(
  name: string,
  label: string,
  sender: ClusterTransport['sender'],
  receivers: number,
): ClusterTransport {
  const isRelayed = sender === 'worker';
  return {
    name,
    label,
    sender,
    workers: isRelayed ? receivers + 1 : receivers,
    places: ['process'],
    polls: false,
    send: context => Promise.resolve(isRelayed ? sendThrough(context) : sendDown(context)),
    receive: context => receive(context, isRelayed),
    ...(isRelayed && { attend: relay }),
  };
}

function sendDown({ outgoing, receivers }: ClusterContext): Sender {
  const workers = receivers.map(id => cluster.workers![id]!);
  const answers = new AllAnswers<Ack>(workers.length);
  for (const worker of workers) worker.on('message', answers.giveOne);
  return {
    async batch(count) {
      const answer = answers.next();
      for (let i = 1; i <= count; i++) {
        const news = outgoing.nextNews(i === count);
        if (i % window !== 0) for (const worker of workers) worker.send(news);
        else await Promise.all(workers.map(worker => taken(sent => worker.send(news, sent))));
      }
      for (const ack of await answer) outgoing.check(ack);
    },
    close: () => {},
  };
}

function sendThrough({ outgoing, receivers }: ClusterContext): Sender {
  const answers = new AllAnswers<Ack>(receivers.length);
  const to = receivers.length === 1 ? receivers[0]! : everybody;
  process.on('message', answers.giveOne);
  return {
    async batch(count) {
      const answer = answers.next();
      for (let i = 1; i <= count; i++) {
        const relayed: Relayed = { to, value: outgoing.nextNews(i === count) };
        if (i % window !== 0) process.send!(relayed);
        else await taken(sent => process.send!(relayed, sent));
      }
      for (const ack of await answer) outgoing.check(ack);
    },
    close: () => {},
  };
}

/** Resolves when the pipe has taken a message, and all before it. */
function taken(send: (sent: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => send(error => (error ? reject(error) : resolve())));
}

function receive({ incoming }: ClusterContext, isRelayed: boolean): void {
  process.on('message', (news: News) => {
    if (!incoming.acceptNews(news)) return;
    const ack = { ...incoming.ack };
    process.send!(isRelayed ? ({ to: first, value: ack } satisfies Relayed) : ack);
  });
}

/** The primary's part: passes on what is for somebody else, as fast as it comes. */
function relay(): void {
  const workers = Object.values(cluster.workers!) as Worker[];
  const byId = new Map(workers.map(worker => [worker.id, worker]));
  for (const worker of workers) {
    const others = workers.filter(other => other !== worker);
    worker.on('message', ({ to, value }: Partial<Relayed>) => {
      if (to === everybody) for (const other of others) other.send(value!);
      else if (to !== undefined) byId.get(to)!.send(value!);
    });
  }
}
