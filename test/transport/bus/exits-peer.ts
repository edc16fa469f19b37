// Sends 50 messages to 'here', and ends in the same turn of the loop, in the way that it is told.
import { existsSync } from 'node:fs';
import { Bus } from '../../../src/index.js';

const [name, id, how, end, go] = process.argv.slice(2) as [string, string, string, string, string?];
const bus = await Bus.join(name, { id });

function sendAndEnd(): void {
  for (let number = 0; number < 50; number++) {
    if (!bus.send('here', number)) throw new Error('it had no room');
  }
  if (end === 'exit') process.exit(0);
  if (end === 'kill') process.kill(process.pid, 'SIGKILL');
  process.on('uncaughtException', () => process.exit(7));
  throw new Error('the end');
}

if (how === 'warm') await bus.request('here', 'so that there is a link');
process.send!('joined');
if (go === undefined) {
  process.once('message', sendAndEnd);
} else {
  // The other one is blocked by then, and cannot tell it.
  setInterval(() => existsSync(go) && sendAndEnd(), 5);
}
