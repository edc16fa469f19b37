import { Ring, type RingHandle } from '../../src/index.js';
import { ackBytes, readAck, writeAck, type Ack } from '../messages.js';
import { Spin } from '../spin.js';
import type { ReceiverContext, Sender, SenderContext, Transport } from './transport.js';

/** How a variant uses the ring. */
interface Variant {
  name: string;
  label: string;
  /** Messages per publish. */
  cork: number;
  /** Fill reserved records in place instead of copying a message in. */
  reserve?: boolean;
  /**
   * - in place: drain, polling, the payload read where it lies
   * - copied: drain, polling, the payload copied into a Buffer that is used again
   * - copies: tryRead, polling, a new copy of each payload
   * - blocking: readSync and writeSync on both sides
   */
  read: 'in place' | 'copied' | 'copies' | 'blocking';
}

interface Handover {
  forth: RingHandle;
  back: RingHandle;
}

const corkEvery = 32;

/** Room for acknowledgements; there is never more than one. */
export const ackCapacity = 4096;

export const rings: Transport[] = [
  variant({ name: 'ring', label: 'ring', cork: 1, read: 'in place' }),
  variant({ name: 'ring-corked', label: 'ring, corked', cork: corkEvery, read: 'in place' }),
  variant({
    name: 'ring-reserved',
    label: 'ring, reserved and filled',
    cork: 1,
    reserve: true,
    read: 'in place',
  }),
  variant({ name: 'ring-copied', label: 'ring, copied out', cork: 1, read: 'copied' }),
  variant({ name: 'ring-tryread', label: 'ring, tryRead', cork: 1, read: 'copies' }),
  variant({ name: 'ring-blocking', label: 'ring, blocking', cork: 1, read: 'blocking' }),
];

function variant(options: Variant): Transport {
  return {
    name: options.name,
    label: options.label,
    places: ['process', 'thread'],
    polls: true,
    send: context => send(context, options),
    receive: context => receive(context, options),
  };
}

async function send(context: SenderContext, { cork, reserve, read }: Variant): Promise<Sender> {
  const { trial, outgoing } = context;
  const forth = Ring.create({ capacity: trial.capacity });
  const back = Ring.create({ capacity: ackCapacity });
  const producer = forth.producer();
  const acks = back.consumer();
  await context.start({ forth: forth.handle, back: back.handle } satisfies Handover);

  const spin = new Spin(trial.deadline);
  const patience = trial.deadline - Date.now();
  const onAck = (bytes: Buffer, offset: number): void => outgoing.check(readAck(bytes, offset));

  function writeEach(count: number): void {
    for (let i = 1; i <= count; i++) {
      const message = outgoing.next(i === count);
      while (!producer.tryWrite(message)) spin.pause();
    }
  }

  function writeCorked(count: number): void {
    for (let i = 0; i < count; i++) {
      if (i % cork === 0) producer.cork();
      const message = outgoing.next(i === count - 1);
      while (!producer.tryWrite(message)) spin.pause();
      if (i % cork === cork - 1) producer.uncork();
    }
    producer.uncork();
  }

  /** Every byte of the payload is made where it will be read. */
  function writeReserved(count: number): void {
    for (let i = 1; i <= count; i++) {
      let record = producer.reserve(trial.size);
      while (!record) {
        spin.pause();
        record = producer.reserve(trial.size);
      }
      record.fill(i);
      outgoing.fill(record as Buffer, 0, i === count);
      producer.commit();
    }
  }

  function writeBlocking(count: number): void {
    for (let i = 1; i <= count; i++) producer.writeSync(outgoing.next(i === count));
  }

  function readPolling(): void {
    while (acks.drain(onAck) === 0) spin.pause();
  }

  function readCopyPolling(): void {
    for (;;) {
      const ack = acks.tryRead();
      if (ack) return outgoing.check(readAck(ack, 0));
      spin.pause();
    }
  }

  function readBlocking(): void {
    const ack = acks.readSync(patience);
    if (!ack) throw new Error('the receiver went away');
    outgoing.check(readAck(ack, 0));
  }

  const write = reserve
    ? writeReserved
    : read === 'blocking'
      ? writeBlocking
      : cork > 1
        ? writeCorked
        : writeEach;
  const readAnswer =
    read === 'blocking' ? readBlocking : read === 'copies' ? readCopyPolling : readPolling;
  return {
    batch(count) {
      write(count);
      readAnswer();
    },
    close() {
      forth.close();
      back.close();
    },
  };
}

function receive({ trial, handover, incoming, ready }: ReceiverContext, { read }: Variant): void {
  const handles = handover as Handover;
  const forth = Ring.open(handles.forth);
  const back = Ring.open(handles.back);
  const consumer = forth.consumer();
  const acks = back.producer();
  const ackBuffer = Buffer.alloc(ackBytes);
  const acknowledge = (ack: Ack): void => void acks.writeSync(writeAck(ackBuffer, ack));
  const copy = Buffer.alloc(trial.size);
  const spin = new Spin(trial.deadline);
  ready();

  function inPlace(bytes: Buffer, offset: number, length: number): void {
    if (incoming.acceptInPlace(bytes, offset, length)) acknowledge(incoming.ack);
  }

  function copied(bytes: Buffer, offset: number, length: number): void {
    bytes.copy(copy, 0, offset, offset + length);
    if (incoming.acceptInPlace(copy, 0, length)) acknowledge(incoming.ack);
  }

  if (read === 'blocking') {
    for (let record = consumer.readSync(); record; record = consumer.readSync()) {
      if (incoming.accept(record, 0, record.length)) acknowledge(incoming.ack);
    }
  } else if (read === 'copies') {
    while (!consumer.ended) {
      const record = consumer.tryRead();
      if (!record) spin.pause();
      else if (incoming.accept(record, 0, record.length)) acknowledge(incoming.ack);
    }
  } else {
    const handler = read === 'copied' ? copied : inPlace;
    while (consumer.drain(handler) > 0 || !consumer.ended) spin.pause();
  }
  forth.close();
  back.close();
}
