// An HTTP server and its client in two processes; the bytes between them go through shared
// memory. Neither http nor its handlers know.
import { fork } from 'node:child_process';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { dial, listen } from 'mmap-transport';

const path = process.argv[2];
if (path === undefined) {
  const server = createServer((message, response) => {
    message.pipe(response.setHeader('x-method', message.method!));
  });
  const name = `http-example-${process.pid}`;
  const address = process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
  // `http` answers also those that end their half after the request.
  const listener = await listen(address, { allowHalfOpen: true }, conn => {
    console.log(`a connection over ${conn.transport}`);
    server.emit('connection', conn);
  });
  fork(fileURLToPath(import.meta.url), [address]).once('exit', () => void listener.close());
} else {
  const conn = await dial(path);
  const call = request({ host: 'shm', method: 'POST', createConnection: () => conn });
  call.end('hello through shared memory');
  call.once('response', response => {
    void text(response).then(body => {
      console.log(`${response.statusCode} ${String(response.headers['x-method'])}: ${body}`);
      conn.destroy();
      process.disconnect();
    });
  });
}
