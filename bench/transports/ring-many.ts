import { Ring, type RingHandle } from '../../src/index.js';
import { ackBytes, Incoming, Outgoing, readAck, writeAck } from '../messages.js';
import { Spin } from '../spin.js';
import { ackCapacity } from './ring.js';
import type { ReceiverContext, Sender, SenderContext, Transport } from './transport.js';

interface Handover {
  forth: RingHandle[];
  back: RingHandle;
}

/** Messages dealt out in turn to `trial.rings` rings, all polled by one loop. */
export const ringMany: Transport = {
  name: 'ring-many',
  label: 'rings polled by one loop',
  places: ['process', 'thread'],
  polls: true,
  send,
  receive,
};

async function send({ trial, start }: SenderContext): Promise<Sender> {
  const lanes = Array.from({ length: trial.rings }, () => {
    const ring = Ring.create({ capacity: trial.capacity });
    return { ring, producer: ring.producer(), outgoing: new Outgoing(trial.size) };
  });
  const back = Ring.create({ capacity: ackCapacity });
  const acks = back.consumer();
  const spin = new Spin(trial.deadline);
  await start({
    forth: lanes.map(({ ring }) => ring.handle),
    back: back.handle,
  } satisfies Handover);

  let answered = 0;
  const onAck = (bytes: Buffer, offset: number): void => {
    const lane = new DataView(bytes.buffer, bytes.byteOffset + offset).getInt32(ackBytes, true);
    lanes[lane]!.outgoing.check(readAck(bytes, offset));
    answered++;
  };

  return {
    batch(count) {
      const rounds = Math.ceil(count / lanes.length);
      for (let round = 1; round <= rounds; round++) {
        for (const { producer, outgoing } of lanes) {
          const message = outgoing.next(round === rounds);
          while (!producer.tryWrite(message)) spin.pause();
        }
      }
      for (answered = 0; answered < lanes.length;) if (acks.drain(onAck) === 0) spin.pause();
    },
    close() {
      for (const { ring } of lanes) ring.close();
      back.close();
    },
  };
}

function receive({ trial, handover, ready }: ReceiverContext): void {
  const handles = handover as Handover;
  const back = Ring.open(handles.back);
  const acks = back.producer();
  const ack = Buffer.alloc(ackBytes + 4);
  const lanes = handles.forth.map((handle, index) => {
    const ring = Ring.open(handle);
    const incoming = new Incoming();
    const handler = (bytes: Buffer, offset: number, length: number): void => {
      if (!incoming.acceptInPlace(bytes, offset, length)) return;
      writeAck(ack, incoming.ack).writeInt32LE(index, ackBytes);
      acks.writeSync(ack);
    };
    return { ring, consumer: ring.consumer(), handler };
  });
  const spin = new Spin(trial.deadline);
  ready();

  for (let open = true; open;) {
    let count = 0;
    for (const { consumer, handler } of lanes) count += consumer.drain(handler);
    if (count > 0) continue;
    spin.pause();
    open = lanes.some(({ consumer }) => !consumer.ended);
  }
  for (const { ring } of lanes) ring.close();
  back.close();
}
