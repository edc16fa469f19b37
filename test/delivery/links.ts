// Ways for numbers from one object to another in this thread, to be mixed in tests of delivery.
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { Bus, Channel, type Conn, dial, listen, Ring, type WaitStrategy } from '../../src/index.js';
import { socketPath } from '../support/platform.js';

/** One way from a sender to a listener. */
export interface Way {
  /** Sends a byte; false: no room now. */
  send(value: number): boolean;
  /** Calls back for each byte that arrives, with a listener of the object's own. */
  listen(listener: (value: number) => void): void;
  /** As a user would within a listener. */
  removeAllListeners(): void;
  /** Closes the receiving object, at once. */
  close(): void;
  /** Closes both. */
  end(): Promise<void>;
}

export type Kind = keyof typeof ways;

export const ways = {
  channel: (wait: WaitStrategy): Promise<Way> => {
    const sender = Channel.create<number>({ capacity: 4096, wait });
    const receiver = Channel.open<number>(sender.handle, { wait });
    return Promise.resolve({
      send: value => !receiver.closed && sender.send(value),
      listen: listener => receiver.on('message', listener),
      removeAllListeners: () => receiver.removeAllListeners(),
      close: () => void receiver.close(),
      async end() {
        await receiver.close();
        await sender.close();
      },
    });
  },

  ring: (wait: WaitStrategy): Promise<Way> => {
    const ring = Ring.create({ capacity: 4096 });
    const producer = ring.producer();
    const consumer = ring.consumer({ wait });
    return Promise.resolve({
      send: value => consumer.closed || producer.tryWrite(Uint8Array.of(value)),
      listen(listener) {
        const next = () => {
          consumer.read().then(
            record => {
              if (record === null) return;
              next();
              // What a continuation throws is a rejection, with promises everywhere.
              setImmediate(listener, record[0]!);
            },
            () => {}, // closed
          );
        };
        next();
      },
      removeAllListeners: () => {},
      close: () => consumer.close(),
      end() {
        ring.close();
        return Promise.resolve();
      },
    });
  },

  conn: async (wait: WaitStrategy): Promise<Way> => {
    const path = socketPath(`way-${randomBytes(4).toString('hex')}`);
    const listener = await listen(path, { wait, capacity: 4096 });
    const accepted = once(listener, 'connection') as Promise<[Conn]>;
    const sender = await dial(path, { wait });
    const [receiver] = await accepted;
    for (const conn of [sender, receiver]) conn.on('error', () => {});
    return {
      send(value) {
        if (sender.destroyed || sender.writableNeedDrain) return sender.destroyed;
        sender.write(Uint8Array.of(value));
        return true;
      },
      listen(handler) {
        receiver.on('data', (chunk: Buffer) => {
          // A throw ends a chunk's handling: what is left of it is the listener's to keep.
          let thrown: unknown;
          for (const value of chunk) {
            try {
              handler(value);
            } catch (error) {
              thrown = error;
            }
          }
          if (thrown !== undefined) throw thrown as Error;
        });
      },
      removeAllListeners() {
        receiver.removeAllListeners('data');
        receiver.pause();
      },
      close: () => void receiver.destroy(),
      async end() {
        sender.destroy();
        receiver.destroy();
        await listener.close();
      },
    };
  },

  bus: async (wait: WaitStrategy): Promise<Way> => {
    const name = `way-${randomBytes(4).toString('hex')}`;
    const sender = await Bus.join<number>(name, { id: 'a', wait, capacity: 4096 });
    const receiver = await Bus.join<number>(name, { id: 'b', wait, capacity: 4096 });
    for (const bus of [sender, receiver]) bus.on('error', () => {});
    return {
      send: value => !sender.peers.has('b') || sender.send('b', value),
      listen: listener => receiver.on('message', listener),
      removeAllListeners: () => receiver.removeAllListeners(),
      close: () => void receiver.close(),
      async end() {
        await receiver.close();
        await sender.close();
      },
    };
  },
};
