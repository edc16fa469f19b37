import { LinkedRings } from '../link/linked-rings.js';
import type { LinkKind } from '../link/sharing.js';
import { checkHeader, formatHeader } from '../ring/header.js';
import { Magic } from '../ring/layout.js';
import { StreamConsumer } from '../ring/stream-consumer.js';
import { StreamProducer } from '../ring/stream-producer.js';
import { parseAdaptive, type WaitStrategy } from '../ring/wait-strategy.js';

/** A stream each way. */
export class StreamRings extends LinkedRings<StreamProducer, StreamConsumer> {
  close(orderly = true): void {
    this.stopWaiting();
    this.output.close(orderly);
    this.input.close(orderly);
  }
}

/** What a connection's link carries. @param wait how this side waits */
export function streamKind(wait: WaitStrategy | undefined): LinkKind<StreamRings> {
  const { spin, adapts } = parseAdaptive('conn', wait);
  return {
    name: 'stream',
    defaultCapacity: 256 * 1024,
    create(output, input, capacity) {
      for (const memory of [output, input]) formatHeader(memory, Magic.stream, capacity);
      return new StreamRings(
        new StreamProducer(output, capacity, { spin }),
        new StreamConsumer(input, capacity, { spin }),
        adapts,
      );
    },
    open(output, input) {
      const [room, bytes] = [output, input].map(memory =>
        checkHeader(memory, Magic.stream, 'accept'),
      ) as [number, number];
      return new StreamRings(
        new StreamProducer(output, room, { spin }),
        new StreamConsumer(input, bytes, { spin }),
        adapts,
      );
    },
  };
}
