// Offers memory to a listener early, says what it has offered, and then waits for the answer.
import { channelKind } from '../../../src/transport/channel/link-kind.js';
import { dialLink } from '../../../src/transport/link/dial-link.js';

const address = process.argv[2]!;
let path = '';
const link = dialLink(address, channelKind({ codec: 'bytes' }), {
  capacity: 4096,
  timeout: 60_000,
  early: {
    rings: ({ region, ends }) => {
      ends.output.tryWrite(Buffer.from('early'));
      ({ path } = region);
    },
    takeBack: () => process.send!({ takenBack: true }),
  },
});
// The offer is with the kernel by now.
process.send!({ path });
link.then(
  link => process.send!({ linked: link.fallbackReason ?? 'memory' }),
  (error: unknown) => process.send!({ failed: String(error) }),
);
