import { once } from 'node:events';
import type { Bus } from '../../src/index.js';
import { clusterBus } from '../../src/transport/cluster/index.js';
import type { Ack, News } from '../messages.js';
import { AllAnswers } from './answers.js';
import type { ClusterContext, ClusterTransport, Sender } from './transport.js';

type Message = News | Ack | undefined;

/** Makes what sends a batch, on a bus on which all receivers are. */
type Way = (bus: Bus<Message>, context: ClusterContext) => Sender['batch'];

export const buses: ClusterTransport[] = [
  variant('bus-down', 'bus.send, primary to worker', 'primary', 1, sending),
  variant('bus-across', 'bus.send, worker to worker', 'worker', 1, sending),
  variant('bus-request', 'bus.request, worker to worker', 'worker', 1, requesting),
  variant('bus-broadcast', 'bus.broadcast, primary to 4 workers', 'primary', 4, broadcasting),
  variant('bus-broadcast-across', 'bus.broadcast, worker to 4 workers', 'worker', 4, broadcasting),
];

function variant(
  name: string,
  label: string,
  sender: ClusterTransport['sender'],
  receivers: number,
  way: Way,
): ClusterTransport {
  return {
    name,
    label,
    sender,
    workers: sender === 'worker' ? receivers + 1 : receivers,
    places: ['process'],
    polls: false,
    send: context => send(context, way),
    receive,
  };
}

async function send(context: ClusterContext, way: Way): Promise<Sender> {
  const bus = await clusterBus<Message>({ capacity: context.trial.capacity });
  while (bus.peers.size < context.receivers.length) await once(bus, 'join');
  return { batch: way(bus, context), close: () => void bus.close() };
}

function sending(bus: Bus<Message>, { outgoing, receivers }: ClusterContext): Sender['batch'] {
  const answers = acknowledgements(bus, 1);
  const to = String(receivers[0]);
  return async count => {
    const answer = answers.next();
    for (let i = 1; i <= count; i++) {
      const news = outgoing.nextNews(i === count);
      while (!bus.send(to, news)) await bus.ready(to);
    }
    for (const ack of await answer) outgoing.check(ack);
  };
}

function broadcasting(bus: Bus<Message>, { outgoing, receivers }: ClusterContext): Sender['batch'] {
  const answers = acknowledgements(bus, receivers.length);
  return async count => {
    const answer = answers.next();
    for (let i = 1; i <= count; i++) {
      const news = outgoing.nextNews(i === count);
      for (const full of bus.broadcast(news)) {
        do await bus.ready(full);
        while (!bus.send(full, news));
      }
    }
    for (const ack of await answer) outgoing.check(ack);
  };
}

function requesting(bus: Bus<Message>, { outgoing, receivers }: ClusterContext): Sender['batch'] {
  const to = String(receivers[0]);
  return async count => {
    let answer: Message;
    for (let i = 1; i <= count; i++) {
      answer = await bus.request(to, outgoing.nextNews(i === count));
    }
    outgoing.check(answer as Ack);
  };
}

function acknowledgements(bus: Bus<Message>, count: number): AllAnswers<Ack> {
  const answers = new AllAnswers<Ack>(count);
  bus.on('message', ack => answers.giveOne(ack as Ack));
  return answers;
}

async function receive({ trial, incoming }: ClusterContext): Promise<void> {
  const bus = await clusterBus<Message>({ capacity: trial.capacity });
  bus.on('message', (news, from) => {
    if (incoming.acceptNews(news as News)) bus.send(from, { ...incoming.ack });
  });
  bus.onRequest(news => (incoming.acceptNews(news as News) ? { ...incoming.ack } : undefined));
}
