/* eslint-disable @typescript-eslint/unbound-method -- the tools are functions */
import { once } from 'node:events';
import net from 'node:net';
import { messagesOf, type Scenarios, self } from './scenario-parts.js';

/** Handles, and messages of Node's own. */
export const handleScenarios: Scenarios = {
  'handles among messages': {
    async parent({ seen, warm }) {
      const child = await warm();
      const server = net.createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as net.AddressInfo;
      const sockets: net.Socket[] = [];
      const got = messagesOf(child);
      for (let at = 0; at < 40; at++) {
        child.send({ at });
        if (at % 10 === 3) child.send({ at, server: true }, server);
        if (at % 10 === 7) {
          const socket = net.connect(port, '127.0.0.1');
          sockets.push(socket);
          await once(socket, 'connect');
          child.send({ at, socket: true }, socket, { keepOpen: at === 17 });
        }
      }
      child.send('end');
      seen(await got);
      child.disconnect();
      server.close();
      for (const socket of sockets) socket.destroy();
    },
    async child({ warmed }) {
      await warmed();
      process.on('message', (message, handle) => {
        const kind =
          handle === undefined ? undefined : handle instanceof net.Server ? 'server' : 'socket';
        self.send(message === 'end' ? 'done' : ([message, kind] as never));
        (handle as net.Server | undefined)?.unref();
        if (handle instanceof net.Server) handle.close();
        else if (handle) (handle as net.Socket).destroy();
      });
    },
  },

  'internal messages': {
    async parent({ seen, warm }) {
      const child = await warm();
      const internal: unknown[] = [];
      child.on('internalMessage', (message: unknown) => internal.push(message));
      child.on('message', message => internal.push(['message', message]));
      for (let at = 0; at < 10; at++) {
        child.send({ at });
        child.send({ cmd: 'NODE_MINE', at });
        child.send({ cmd: 'NODE_', at });
      }
      child.send('end');
      await once(child, 'close');
      seen(internal);
    },
    async child({ warmed }) {
      await warmed();
      process.on('internalMessage', (message: object) => self.send({ internal: message }));
      process.on('message', message => {
        self.send({ message });
        self.send({ cmd: 'NODE_BACK' });
        if (message === 'end') process.disconnect();
      });
    },
  },
};
