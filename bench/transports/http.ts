import { once } from 'node:events';
import { Agent, type AgentOptions, createServer, request } from 'node:http';
import { connect, createServer as createNetServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { dial, listen } from '../../src/index.js';
import { type Ack, ackBytes, readAck, writeAck } from '../messages.js';
import { Answers } from './answers.js';
import type { ReceiverContext, Sender, SenderContext, Transport } from './transport.js';

/** What HTTP's connections are. */
interface Carrier {
  name: string;
  label: string;
  /** Accepts one, and so ends with it. */
  listen(path: string, onConnection: (connection: Duplex) => void): Promise<unknown>;
  connect(path: string): Promise<Duplex>;
}

const carriers: Carrier[] = [
  {
    name: 'http-unix-socket',
    label: 'HTTP/1.1, Unix socket',
    async listen(path, onConnection) {
      const server = createNetServer({ allowHalfOpen: true }, onConnection).listen(path);
      server.once('connection', () => server.close());
      await once(server, 'listening');
    },
    async connect(path) {
      const socket: Socket = connect(path);
      await once(socket, 'connect');
      return socket;
    },
  },
  {
    name: 'http-conn',
    label: 'HTTP/1.1, Conn',
    async listen(path, onConnection) {
      const listener = await listen(path, { allowHalfOpen: true }, onConnection);
      listener.once('connection', () => void listener.close());
    },
    connect: path => dial(path),
  },
];

/** Messages as bodies of requests, one after the other over one connection kept alive. */
export const https: Transport[] = carriers.map(carrier => ({
  name: carrier.name,
  label: carrier.label,
  places: ['process', 'thread'],
  polls: false,
  send: context => send(carrier, context),
  receive: context => void receive(carrier, context),
}));

async function send(
  carrier: Carrier,
  { trial, directory, outgoing, start }: SenderContext,
): Promise<Sender> {
  const path = join(directory, carrier.name);
  await start(path);
  const connection = await carrier.connect(path);
  const agent = new OneConnection(connection);
  const answers = new Answers<Ack | undefined>();
  const body = Buffer.alloc(trial.size, '.');
  const headers = { 'content-length': trial.size };
  return {
    async batch(count) {
      for (let i = 1; i <= count; i++) {
        const last = i === count;
        outgoing.fill(body, 0, last);
        const answer = answers.next();
        request({ agent, host: 'bench', method: 'POST', headers }, response => {
          let ack: Ack | undefined;
          response.on('data', (bytes: Buffer) => (ack = readAck(bytes, 0)));
          response.on('end', () => answers.give(ack));
        })
          .on('error', answers.fail)
          .end(body);
        const ack = await answer;
        if (last) outgoing.check(ack!);
      }
    },
    close: () => void connection.destroy(),
  };
}

async function receive(
  carrier: Carrier,
  { trial, handover, incoming, ready }: ReceiverContext,
): Promise<void> {
  const whole = Buffer.alloc(trial.size);
  const server = createServer((message, response) => {
    let length = 0;
    message.on('data', (chunk: Buffer) => (length += chunk.copy(whole, length)));
    message.on('end', () => {
      if (!incoming.accept(whole, 0, length)) return response.end();
      const ack = Buffer.allocUnsafe(ackBytes);
      writeAck(ack, incoming.ack);
      return response.end(ack);
    });
  });
  await carrier.listen(handover as string, connection => server.emit('connection', connection));
  ready();
}

/** Sends everything over one connection. */
class OneConnection extends Agent {
  readonly #connection: Duplex;

  constructor(connection: Duplex, options: AgentOptions = { keepAlive: true, maxSockets: 1 }) {
    super(options);
    this.#connection = connection;
  }

  override createConnection(): Duplex {
    return this.#connection;
  }
}
