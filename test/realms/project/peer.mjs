// Sends back whatever comes, out of a process or a thread of its own: no test runner is here.
import { parentPort, workerData } from 'node:worker_threads';
import { Channel } from 'mmap-transport';

function serve({ handle, codec }) {
  const channel = Channel.open(handle, { codec });
  channel.on('message', value => {
    if (!channel.send(value)) throw new Error('the channel is full');
  });
}

if (parentPort) serve(workerData);
else process.once('message', serve);
