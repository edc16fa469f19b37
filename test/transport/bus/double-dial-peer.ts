// Told to, sends 500 messages to 'here' at once; then dies, or waits to be told to close.
import { Bus } from '../../../src/index.js';

const [name, id, how] = process.argv.slice(2) as [string, string, string];
const bus = await Bus.join(name, { id });
bus.on('message', () => {});
process.on('message', order => {
  if (order === 'close') {
    void bus.close().then(() => process.disconnect());
    return;
  }
  for (let number = 0; number < 500; number++) {
    if (!bus.send('here', number)) throw new Error('it had no room');
  }
  if (how === 'die') process.kill(process.pid, 'SIGKILL');
});
process.on('disconnect', () => setTimeout(() => process.exit(), 1000).unref());
process.send!('joined');
