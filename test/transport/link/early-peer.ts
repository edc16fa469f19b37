// Dials, writes before it is answered, and is gone in the same turn.
import { once } from 'node:events';
import { channelKind } from '../../../src/transport/channel/link-kind.js';
import type { MessageRings } from '../../../src/transport/channel/message-rings.js';
import { dialLink } from '../../../src/transport/link/dial-link.js';

export interface EarlyOrders {
  address: string;
  capacity: number;
  messages: number;
  /** How it goes; `told` waits for a word before all this, then exits. */
  ends: 'exit' | 'kill' | 'told';
}

const { address, capacity, messages, ends } = JSON.parse(process.argv[2]!) as EarlyOrders;
if (ends === 'told') {
  process.send!('ready');
  await once(process, 'message');
}
let rings: MessageRings | undefined;
void dialLink(address, channelKind({ codec: 'bytes' }), {
  capacity,
  early: { rings: shared => (rings = shared.ends), takeBack: () => process.abort() },
});
for (let i = 0; i < messages; i++) rings!.output.tryWrite(Buffer.from(`message ${i}`));
if (ends === 'kill') process.kill(process.pid, 'SIGKILL');
process.exit(0);
