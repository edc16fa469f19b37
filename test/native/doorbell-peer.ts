// A process with a doorbell, for what a test's own process cannot do: see doorbell.test.ts.
import { closeSync, openSync, readdirSync } from 'node:fs';
import { Doorbell, DoorbellRinger } from '../../src/native/doorbell.js';
import type { ShmError } from '../../src/index.js';

const log: string[] = [];
const say = () => console.log(log.join(' '));

const ways: Record<string, () => void> = {
  /** Rings 1, 2 and 3 in one go; 1 and 2 throw. */
  throws() {
    process.on('uncaughtException', error => log.push(`caught-${error.message}`));
    const bell = new Doorbell(token => {
      log.push(`token-${token}`);
      process.nextTick(() => log.push(`tick-${token}`));
      void Promise.resolve().then(() => log.push(`microtask-${token}`));
      setImmediate(() => log.push(`turn-${token}`));
      if (token === 3) setTimeout(() => (bell.close(), say()), 10);
      else throw new Error(String(token));
    });
    bell.ref();
    ring(bell, 1, 2, 3);
  },
  /** Nobody listens to 'uncaughtException'. */
  'throws, uncaught'() {
    const bell = new Doorbell(token => {
      console.log(`token-${token}`);
      throw new Error('not caught');
    });
    bell.ref();
    ring(bell, 1, 2, 3);
  },
  'throws nothing'() {
    process.on('uncaughtException', (error: unknown) => log.push(`caught-${String(error)}`));
    const bell = new Doorbell(token => {
      log.push(`token-${token}`);
      if (token === 2) setImmediate(() => (bell.close(), say()));
      // eslint-disable-next-line @typescript-eslint/only-throw-error
      throw token === 1 ? null : undefined;
    });
    bell.ref();
    ring(bell, 1, 2);
  },
  /** No descriptor is left when the bell is made, and again when one is free. */
  'without descriptors'() {
    const taken: number[] = [];
    try {
      for (;;) taken.push(openSync('/dev/null', 'r'));
    } catch {
      // all are taken
    }
    try {
      new Doorbell(() => {}).close();
    } catch (error) {
      log.push((error as ShmError).name, (error as ShmError).code);
    }
    for (const fd of taken) closeSync(fd);
    log.push(String(readdirSync(process.env.MMAP_TRANSPORT_DIR!).length));
    new Doorbell(() => {}).close();
    say();
  },
  /** Tells its name, and waits to be killed. */
  listens() {
    const bell = new Doorbell(() => {});
    bell.ref();
    process.send!([bell.directory, Buffer.from(bell.id).toString('hex')]);
  },
};

function ring(bell: Doorbell, ...tokens: number[]): void {
  const ringer = new DoorbellRinger(bell.directory, bell.id);
  for (const token of tokens) ringer.ring(token);
  ringer.close();
}

ways[process.argv[2]!]!();
