// A child that takes part in the handshake by hand, and then breaks its word: `node … what`.
import { loadWord, storeWord } from '../../../src/transport/ring/atomics.js';
import { Field, ringHeaderBytes, RoleState } from '../../../src/transport/ring/layout.js';
import { opened, switched, hello } from '../../../src/transport/auto/control-messages.js';
import { SharedRings } from '../../../src/transport/auto/shared-rings.js';

const what = process.argv[2]!;
let rings: SharedRings | undefined;

function lie({ input, output }: SharedRings): void {
  const words = (end: object) => (end as { words: Int32Array }).words;
  if (what === 'kind') {
    // One good message, then a record of a kind that there is not.
    output.tryWrite(Buffer.from('1'));
    const { buffer, byteOffset } = words(output);
    const tail = loadWord(words(output), Field.tail);
    const at = byteOffset + ringHeaderBytes + tail;
    new Int32Array(buffer, at, 2).set([1, 77]);
    storeWord(words(output), Field.tail, tail + 16);
  } else if (what === 'tail') {
    storeWord(words(output), Field.tail, 12_345_679);
  } else if (what === 'head') {
    storeWord(words(input), Field.head, 123_456_789);
  } else {
    storeWord(words(output), Field.producerState, RoleState.poisoned);
  }
  setInterval(() => rings!.ringPeer(), 20);
}

process.on('internalMessage', (message: { act?: string; path?: string }) => {
  if (message.act !== 'offer') return;
  rings = SharedRings.open(message.path!, 'json');
  process.send!(opened);
  process.send!(switched, () => lie(rings!));
});
process.on('message', () => {});
process.on('disconnect', () => process.exit());
process.send!(hello);
