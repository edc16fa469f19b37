import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import fc from 'fast-check';
import { Ring, ShmError } from '../../../src/index.js';
import {
  Bell,
  Field,
  ringHeaderBytes,
  RoleState,
  layoutVersion,
  Magic,
} from '../../../src/transport/ring/layout.js';
import { type Call, calls, Driver, GuardedRing } from '../../support/guarded.js';
import { Traffic } from '../../support/traffic.js';

const capacity = 4096;
const guarded = new GuardedRing(capacity);

/** Positions to start from: the beginning, any place, and before each wrap of 32 bits. */
const position = fc.oneof(
  fc.constant(0),
  fc.constant(-8),
  fc.constant(0x7fff_f000),
  fc.integer().map(value => value & -8),
);

/** Where garbage is written: a header field by name, or a word of the record at a position. */
const places = [
  ...(['tail', 'head', 'producerState', 'consumerState'] as const),
  ...(['consumerWaiting', 'producerWaiting', 'magic', 'version', 'capacity'] as const),
  ...(['producerLock', 'consumerLock', 'producerPid', 'consumerPid'] as const),
  ...(['length at head', 'kind at head', 'length at tail', 'kind at tail'] as const),
  ...(['bell', 'counter', 'header', 'record'] as const),
];

type Place = (typeof places)[number];

/** Garbage close to valid values, which gets further than what is plainly impossible. */
const nonsense = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 4, 7, 8, -1, -8, 2040, 2041, capacity - 8, capacity, capacity + 8),
  fc.constantFrom(0x7fff_ffff, -0x8000_0000, 0x7fff_fff8),
  fc.integer(),
);

interface Poke {
  readonly place: Place;
  readonly value: number;
  /** The value is added to the current one: a position that is a little wrong. */
  readonly relative: boolean;
}

const poke: fc.Arbitrary<Poke> = fc.record({
  place: fc.constantFrom(...places),
  value: nonsense,
  relative: fc.boolean(),
});

function apply({ place, value, relative }: Poke): void {
  const { words } = guarded.memory;
  const at = (position: number) => (ringHeaderBytes + (position & (capacity - 4))) >> 2;
  let field: number;
  if (place.endsWith('at head')) field = at(words[Field.head]!) + Number(place.startsWith('kind'));
  else if (place.endsWith('at tail')) {
    field = at(words[Field.tail]!) + Number(place.startsWith('kind'));
  } else if (place === 'bell') field = Bell.consumer + (Math.abs(value) % 96);
  else if (place === 'counter') field = Field.tail + 4 + (Math.abs(value) % 24);
  else if (place === 'header') field = Math.abs(value) % (ringHeaderBytes / 4);
  else if (place === 'record') field = at(Math.imul(value, 8));
  else field = Field[place as keyof typeof Field];
  words[field] = relative ? words[field]! + value : value;
}

/** A step of a script: a call of one side, or garbage from the other. */
interface Step {
  readonly call: Call;
  readonly amount: number;
  readonly poke: Poke | null;
}

const step: fc.Arbitrary<Step> = fc.record({
  call: fc.constantFrom(...calls),
  amount: fc.oneof(fc.nat({ max: 2040 }), fc.nat({ max: 40 })),
  poke: fc.option(poke, { freq: 3 }),
});

const script = fc.array(step, { minLength: 1, maxLength: 14 });

/** What a side may throw when its peer writes garbage, by where it was written. */
const peerIsGone = ['ERR_PEER_CLOSED', 'ERR_PEER_DIED'];
const misuse = ['ERR_NOT_RESERVED', 'ERR_RESERVED'];

const consumerCalls: readonly Call[] = calls.slice(calls.indexOf('tryRead'));

/** Runs a script against both sides; the checks are the same after every step. */
function run(steps: readonly Step[], start: number): void {
  const driver = new Driver(guarded, guarded.format(start));
  const poisoned = new Set<'producer' | 'consumer'>();
  for (const { call, amount, poke } of steps) {
    const side = consumerCalls.includes(call) ? 'consumer' : 'producer';
    const during = call === 'drain' && poke !== null;
    if (poke !== null && !during) apply(poke);
    const error = driver.attempt(call, amount, () => during && apply(poke));
    if (error !== undefined) {
      const expected = ['ERR_CORRUPT', ...misuse, ...(call === 'writeSync' ? peerIsGone : [])];
      expect(expected, error.message).to.include(error.code);
    }
    // Once a side has found the ring corrupt it says so, whatever is written over the mark.
    const gives = ['abort', 'release', 'giveBack', 'ended', 'peek'];
    if (poisoned.has(side) && !gives.includes(call)) expect(error?.code).to.equal('ERR_CORRUPT');
    if (error?.code === 'ERR_CORRUPT' && !error.message.includes('before')) poisoned.add(side);
    guarded.checkGuards();
  }
  driver.producer.end();
  driver.consumer.close();
  guarded.checkGuards();
}

function check(cases: number, property: fc.IRawProperty<unknown>): void {
  // A failure prints seed, path and the shortest script that shows it.
  fc.assert(property as fc.IProperty<unknown>, { numRuns: cases });
}

/** Ends the process if a call does not return: nothing in this thread could. */
function watchdog(seconds: number): Worker {
  return new Worker(
    `setTimeout(() => {
       console.error('a call on a corrupt ring did not return');
       process.kill(process.pid, 'SIGKILL');
     }, ${seconds * 1000})`,
    { eval: true },
  );
}

describe('A ring whose peer writes garbage', function () {
  this.timeout(180_000);
  let guard: Worker;
  before(() => (guard = watchdog(170)));
  after(() => guard.terminate());

  it('goes on or is corrupt, within its bounds: 60,000 scripts, garbage anywhere', () => {
    check(60_000, fc.property(script, position, run));
  });

  for (const place of places) {
    it(`the same with garbage in one place only: ${place}, 1,000 scripts`, () => {
      const here = step.map(each => ({ ...each, poke: each.poke && { ...each.poke, place } }));
      check(1000, fc.property(fc.array(here, { minLength: 1, maxLength: 14 }), position, run));
    });
  }

  it('carries every byte where the garbage is in words that carry none of them: 9,000 scripts', () => {
    const harmless: readonly Place[] = [
      ...(['consumerWaiting', 'producerWaiting', 'magic', 'version', 'capacity'] as const),
      ...(['producerPid', 'consumerPid', 'bell', 'counter'] as const),
    ];
    const aside = step.map(each => ({
      ...each,
      poke: each.poke && {
        ...each.poke,
        place: harmless[places.indexOf(each.poke.place) % harmless.length]!,
      },
    }));
    const plain: readonly Call[] = ['tryWrite', 'tryRead', 'drain'];
    check(
      9000,
      fc.property(fc.array(aside, { minLength: 4, maxLength: 30 }), position, (steps, start) => {
        const ring = guarded.format(start);
        const driver = new Driver(guarded, ring, bytes => received.verify(bytes));
        const sent = new Traffic(5, 1000);
        const received = new Traffic(5, 1000);
        let pending = sent.next();
        for (const { call, poke } of steps) {
          if (poke) apply(poke);
          const name = plain[calls.indexOf(call) % plain.length]!;
          if (name === 'tryWrite') {
            if (driver.producer.tryWrite(pending)) pending = sent.next();
          } else {
            expect(driver.attempt(name, 0)).to.equal(undefined);
          }
        }
        driver.attempt('drain', 0);
        expect(received.count).to.equal(sent.count - 1);
        guarded.checkGuards();
      }),
    );
  });

  it('attaches to a random header, or says what is wrong with it: 10,000 headers', () => {
    const near = (value: number) =>
      fc.oneof({ weight: 6, arbitrary: fc.constant(value) }, nonsense);
    const header = fc.record({
      // A magic of 0 means a ring that is being made, which an opener waits for.
      magic: near(Magic.ring).filter(value => value !== 0),
      version: near(layoutVersion),
      capacity: near(capacity),
      head: nonsense,
      tail: nonsense,
      state: fc.constantFrom(0, 1, 2, 3, 4, -1),
    });
    check(
      10_000,
      fc.property(header, script, (fields, steps) => {
        guarded.memory.plain.fill(0);
        const { words } = guarded.memory;
        words[Field.magic] = fields.magic;
        words[Field.version] = fields.version;
        words[Field.capacity] = fields.capacity;
        words[Field.head] = fields.head;
        words[Field.tail] = fields.tail;
        words[Field.producerState] = fields.state;
        try {
          const ring = Ring.attach(guarded.memory);
          const driver = new Driver(guarded, ring);
          for (const { call, amount } of steps) {
            const error = driver.attempt(call, amount);
            if (error) expect(['ERR_CORRUPT', ...misuse]).to.include(error.code);
          }
        } catch (error) {
          expect(error).to.be.instanceOf(ShmError);
          expect((error as ShmError).code).to.be.oneOf(['ERR_CORRUPT', 'ERR_VERSION']);
        }
        guarded.checkGuards();
      }),
    );
  });

  // Four records of 1,024 bytes fill the ring; what is written over them is impossible.
  const first = ringHeaderBytes / 4;
  const impossible: [string, Call, number, number][] = [
    ['a tail behind the head', 'tryRead', Field.tail, -8],
    ['a tail beyond the capacity', 'tryRead', Field.tail, capacity + 8],
    ['a tail between two records', 'tryRead', Field.tail, 1028],
    ['a record beyond the tail', 'tryRead', Field.tail, 1016],
    ['a record beyond the end', 'tryRead', first, capacity],
    ['a negative length', 'tryRead', first, -1],
    ['a length that overflows', 'tryRead', first, 0x7fff_ffff],
    ['a record of no kind', 'tryRead', first + 1, 0],
    ['a head ahead of the tail', 'tryWrite', Field.head, capacity + 8],
    ['a head behind by more than the capacity', 'tryWrite', Field.head, -8],
    ['a head between two records', 'tryWrite', Field.head, 4],
  ];
  for (const [what, call, field, value] of impossible) {
    it(`calls ${what} corrupt at the first look`, () => {
      const driver = new Driver(guarded, guarded.format());
      for (let i = 0; i < 4; i++) driver.producer.tryWrite(new Uint8Array(1016));
      guarded.memory.words[field] = value;
      expect(driver.attempt(call, 8)?.code).to.equal('ERR_CORRUPT');
    });
  }

  it('bounds a producer that fills the ring with padding while the consumer looks', () => {
    const driver = new Driver(guarded, guarded.format());
    const { words } = guarded.memory;
    // The peer answers each look at the tail with one more record of padding.
    const load = Atomics.load;
    let looks = 0;
    Atomics.load = ((array: Int32Array, field: number) => {
      if (array === words && field === Field.tail && looks++ < 1e6) {
        const tail = words[Field.tail]!;
        const at = (ringHeaderBytes + (tail & (capacity - 1))) >> 2;
        words[at] = 0;
        words[at + 1] = 2;
        words[Field.tail] = tail + 8;
      }
      return load(array, field);
    }) as typeof Atomics.load;
    try {
      expect(driver.attempt('tryRead', 0)?.code).to.equal('ERR_CORRUPT');
    } finally {
      Atomics.load = load;
    }
    expect(looks).to.be.at.most(capacity / 8 + 2);
  });

  it('lets neither side go on with a poisoned ring, nor anyone after them', () => {
    const ring = guarded.format();
    const driver = new Driver(guarded, ring);
    const { words } = guarded.memory;
    driver.producer.tryWrite(new Uint8Array(8));
    words[Field.tail] = 12;
    expect(driver.attempt('tryRead', 0)?.code).to.equal('ERR_CORRUPT');
    words[Field.tail] = 16;
    words[Field.consumerState] = RoleState.attached;
    expect(driver.attempt('tryRead', 0)?.code).to.equal('ERR_CORRUPT');
    words[Field.consumerState] = RoleState.poisoned;
    while (driver.producer.tryWrite(new Uint8Array(2000)));
    expect(() => driver.producer.writeSync(new Uint8Array(2000))).to.throw(/ERR_CORRUPT/);
    driver.producer.end();
    driver.consumer.close();
    expect(() => ring.producer()).to.throw(/ERR_CORRUPT/);
    expect(() => ring.consumer()).to.throw(/ERR_CORRUPT/);
  });
});
