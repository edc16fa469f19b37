/*
 * Rings whose other side knows the layout and lies in one place: a constant of the header, a
 * position, a state, a record's header, a doorbell. Each case is made from its number.
 */
import { ShmError } from '../../src/index.js';
import { Ring } from '../../src/transport/ring/ring.js';
import { checkHeader, formatHeader } from '../../src/transport/ring/header.js';
import {
  Bell,
  Counter,
  Field,
  Magic,
  recordHeaderBytes,
  ringHeaderBytes,
  Waiting,
} from '../../src/transport/ring/layout.js';
import { readStats } from '../../src/transport/ring/stats.js';
import { StreamConsumer } from '../../src/transport/ring/stream-consumer.js';
import { StreamProducer } from '../../src/transport/ring/stream-producer.js';
import { type Call, calls, Driver, GuardedRing } from '../support/guarded.js';
import { random, Traffic } from '../support/traffic.js';
import { type FuzzResult, oneOf, type Pick, runCases } from './support.js';

const capacity = 4096;

/** The one that the liar shares, and one of two honest sides in the same thread. */
const shared = new GuardedRing(capacity);
const honest = new GuardedRing(capacity);
// A header that is not finished is waited for; here nobody will finish it.
shared.memory.wait = () => false;

/** Values beside the ones that are right, and far from them. */
const oddities = [
  ...[0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 2040, 2041, 4088, 4089, 4092, 4096, 4097, 4104, 8192],
  ...[-1, -2, -7, -8, -9, -16, -4096, -4104, 0x7fff_ffff, 0x7fff_fff8, -0x8000_0000, 0x4000_0000],
];

function odd(pick: Pick, right: number): number {
  switch (pick(4)) {
    case 0:
      return (right + oneOf([1, -1, 4, -4, 8, -8, 64, capacity, -capacity], pick)) | 0;
    case 1:
      return pick(2 ** 32) | 0;
    case 2:
      return right ^ (1 << pick(32));
    default:
      return oneOf(oddities, pick);
  }
}

/** Words that carry no message: with any of these changed, every byte must still arrive. */
const harmless: readonly number[] = [
  ...[Field.consumerWaiting, Field.producerWaiting, Field.producerPid, Field.consumerPid],
  ...[Field.magic, Field.version, Field.capacity, Field.kept, Field.listenerNonce],
];
const telling: readonly number[] = [
  ...[Field.tail, Field.head, Field.producerState, Field.consumerState],
];
const constants: readonly number[] = [Field.magic, Field.version, Field.capacity, Field.kept];

const directories = ['/', '/dev', '/tmp', '/proc/self/fd', '.', '', '/x\0y', '/'.padEnd(172, 'a')];

/** Tells of a bell that is none, and says that it sleeps behind it. */
function lieAboutBell(pick: Pick): void {
  const { words, plain } = shared.memory;
  const role = pick(2) === 0 ? Bell.consumer : Bell.producer;
  const directory = Buffer.from(oneOf(directories, pick));
  words[role + Bell.token] = odd(pick, 0);
  for (let i = 0; i < Bell.idWords; i++) words[role + Bell.id + i] = pick(2 ** 32);
  words[role + Bell.directoryLength] = pick(4) > 0 ? directory.length : odd(pick, directory.length);
  plain.set(directory, (role + Bell.directory) * 4);
  const waiting = role === Bell.consumer ? Field.consumerWaiting : Field.producerWaiting;
  words[waiting] = pick(4) > 0 ? Waiting.parked : odd(pick, 0);
}

/** @returns whether every byte must arrive in spite of it */
function lie(pick: Pick, isStream: boolean): boolean {
  const { words } = shared.memory;
  const place = pick(isStream ? 5 : 9);
  if (place === 0) {
    lieAboutBell(pick);
    return true;
  }
  if (place === 1) {
    const field = oneOf(harmless, pick);
    words[field] = odd(pick, words[field]!);
    return true;
  }
  if (place === 2) {
    const field = 2 * oneOf(Object.values(Counter), pick) + pick(2);
    words[field] = odd(pick, words[field]!);
    return true;
  }
  if (place < 5) {
    const field = oneOf(telling, pick);
    words[field] = odd(pick, words[field]!);
    return false;
  }
  // A record's header: of the next one to be read, or of any.
  const start = pick(2) === 0 ? words[Field.head]! : words[Field.tail]! - 8 * pick(32);
  const field = ((ringHeaderBytes + (start & (capacity - 8))) >> 2) + pick(2);
  // One that takes all that is published, perhaps beyond the end of the ring.
  const whole = ((words[Field.tail]! - start) | 0) - recordHeaderBytes - pick(8);
  words[field] = pick(3) === 0 ? whole : odd(pick, words[field]!);
  return false;
}

/** What the honest sides of a ring may say when the other one lies. */
const expected = new Set([
  ...['ERR_CORRUPT', 'ERR_VERSION', 'ERR_NOT_RESERVED', 'ERR_RESERVED', 'ERR_ROLE_TAKEN'],
  ...['ERR_PEER_CLOSED', 'ERR_PEER_DIED'],
]);

function codeOf(error: unknown): string {
  if (error instanceof ShmError && expected.has(error.code)) return error.code;
  throw error;
}

/** Positions to begin with: the start, any, and before the ring's end and each wrap of 32 bits. */
function startOf(pick: Pick, alignment: number): number {
  const nearEnd = -8 * pick(128);
  return oneOf([0, nearEnd, 0x7fff_f000 + nearEnd, pick(2 ** 32) | 0], pick) & -alignment;
}

function checkStats(): void {
  const {
    capacity: told,
    used,
    producer,
    consumer,
    ...counters
  } = readStats(shared.memory, capacity);
  const numbers = [told, used, ...Object.values(counters), producer.wakes, consumer.wakes];
  if (!numbers.every(Number.isFinite)) throw new Error(`stats are ${numbers.join(', ')}`);
}

/** A ring of records. @returns the worst that a side said */
function records(pick: Pick): string {
  let ring: Ring;
  const sent = new Payloads(pick(1000));
  let mustArrive = true;
  if (pick(4) === 0) {
    // The lie is in the header before this side takes it up.
    shared.format(startOf(pick, 8));
    const { words } = shared.memory;
    const field = oneOf([...constants, ...telling], pick);
    words[field] = odd(pick, words[field]!);
    mustArrive = false;
    ring = Ring.attach(shared.memory);
  } else {
    ring = shared.format(startOf(pick, 8));
  }
  const driver = new Driver(
    shared,
    ring,
    bytes => sent.got(bytes),
    length => sent.next(length),
  );
  let outcome = 'went on';
  // Something is there, in most cases, when the lie is told.
  for (let i = pick(5); i > 0; i--) {
    const error = driver.attempt('tryWrite', pick(700));
    if (error) outcome = worse(outcome, codeOf(error));
  }
  const steps = 3 + pick(8);
  const lieAt = pick(steps);
  const moment = () => {
    if (!lie(pick, false)) mustArrive = false;
  };
  for (let step = 0; step < steps; step++) {
    const call = oneOf<Call>(calls, pick);
    const within = step === lieAt && call === 'drain';
    if (step === lieAt && !within) moment();
    let once = within;
    const error = driver.attempt(call, pick(3) === 0 ? pick(2041) : pick(80), () => {
      if (once) moment();
      once = false;
    });
    if (error) outcome = worse(outcome, codeOf(error));
  }
  checkStats();
  driver.attempt('abort', 0);
  driver.attempt('uncork', 0);
  driver.attempt('release', 0);
  const last = driver.attempt('drain', 0);
  if (last) outcome = worse(outcome, codeOf(last));
  if (mustArrive) sent.checkOrder(outcome);
  driver.producer.end();
  driver.consumer.close();
  shared.checkGuards();
  return outcome;
}

/** A stream of bytes, as a connection has it. */
function stream(pick: Pick): string {
  const { memory } = shared;
  memory.plain.fill(0);
  const start = startOf(pick, 1);
  memory.words[Field.tail] = start;
  memory.words[Field.head] = start;
  formatHeader(memory, Magic.stream, capacity);
  const early = pick(4) === 0;
  if (early) {
    const field = oneOf([...constants, ...telling], pick);
    memory.words[field] = odd(pick, memory.words[field]!);
  }
  let mustArrive = !early;
  const size = checkHeader(memory, Magic.stream, 'accept');
  const producer = new StreamProducer(memory, size, { spin: 0 });
  const consumer = new StreamConsumer(memory, size, { spin: 0 });
  let [written, read] = [0, 0];
  const target = new Uint8Array(5000);
  let outcome = 'went on';
  const take = () => {
    const count = consumer.readInto(target.subarray(0, 1 + pick(5000)));
    if (count > capacity) throw new Error(`${count} bytes in one piece`);
    if (mustArrive) {
      for (let i = 0; i < count; i++) {
        if (target[i] !== (read + i) % 251) throw new Error(`byte ${read + i} is another`);
      }
    }
    read += count;
    return count;
  };
  const steps = 3 + pick(8);
  const lieAt = pick(steps);
  for (let step = 0; step < steps; step++) {
    if (step === lieAt && !lie(pick, true)) mustArrive = false;
    try {
      if (pick(2) === 0) {
        const from = written % 251;
        const count = producer.write(pattern.subarray(from, from + 1 + pick(5000)), 0);
        if (count < 0 || count > capacity) throw new Error(`it took ${count} bytes`);
        producer.publish();
        written += count;
      } else {
        take();
        consumer.settle();
        if (typeof consumer.ready() !== 'boolean') throw new Error('ready is no boolean');
      }
    } catch (error) {
      outcome = worse(outcome, codeOf(error));
    }
    shared.checkGuards();
  }
  if (mustArrive) {
    while (read < written) if (take() === 0) throw new Error(`${written - read} bytes are lost`);
  }
  producer.close(true);
  consumer.close(true);
  shared.checkGuards();
  return outcome;
}

const pattern = Uint8Array.from({ length: 251 + 5001 }, (_, i) => i % 251);

/** Payloads that tell where they stand in the order; those too short for that are not checked. */
class Payloads {
  readonly #seed: number;
  #next = 0;
  #disorder = '';
  #last = -1;

  constructor(seed: number) {
    this.#seed = seed;
  }

  next(length: number): Uint8Array {
    const bytes = Buffer.alloc(length, this.#seed & 255);
    if (length >= 8) {
      bytes.writeUInt32LE(this.#seed, 0);
      bytes.writeUInt32LE(this.#next++, 4);
    }
    return bytes;
  }

  got(bytes: Uint8Array): void {
    if (bytes.length < 8) return;
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const number = view.readUInt32LE(4);
    // What was reserved and aborted has taken a number; what was borrowed is seen out of turn.
    if (view.readUInt32LE(0) !== this.#seed || number >= this.#next) {
      this.#disorder ||= `a record that nobody sent: ${view.toString('hex', 0, 8)}`;
    } else if (number <= this.#last) {
      this.#disorder ||= `record ${number} after ${this.#last}`;
    }
    this.#last = number;
  }

  checkOrder(outcome: string): void {
    if (this.#disorder !== '') throw new Error(`${this.#disorder}; ${outcome}`);
    if (outcome === 'ERR_CORRUPT') throw new Error('corrupt by a word that carries nothing');
  }
}

const rank = ['went on', 'ERR_NOT_RESERVED', 'ERR_RESERVED'];

function worse(one: string, other: string): string {
  return rank.indexOf(other) >= 0 && rank.indexOf(other) <= rank.indexOf(one) ? one : other;
}

/** Two honest sides that go on beside all of this. */
class HonestPair {
  readonly #sent = new Traffic(7, 500);
  readonly #expected = new Traffic(7, 500);
  readonly #driver = new Driver(honest, honest.format(), bytes => this.#expected.verify(bytes));

  serve(): void {
    if (!this.#driver.producer.tryWrite(this.#sent.next())) throw new Error('the ring is full');
    const error = this.#driver.attempt('tryRead', 0);
    if (error) throw error;
    if (this.#expected.count !== this.#sent.count) throw new Error('nothing came');
  }
}

/** @throws where a side throws what is no ShmError, touches what is not the ring's, or does not end */
export function fuzzRings(from: number, to: number): FuzzResult {
  const pair = new HonestPair();
  return runCases(from, to, number => {
    const pick = random(number + 1);
    const isStream = pick(4) === 0;
    let outcome: string;
    try {
      outcome = isStream ? stream(pick) : records(pick);
    } catch (error) {
      outcome = `refused: ${codeOf(error)}`;
    }
    pair.serve();
    return `${isStream ? 'stream' : 'records'}, ${outcome}`;
  });
}
