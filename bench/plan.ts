import type { Content, Kind, Place, Trial } from './trial.js';

/** What is measured; each of its trials adds how long and until when. */
export type Subject = Omit<Trial, 'milliseconds' | 'deadline' | 'cores'>;

export const suiteNames = [
  'throughput',
  'structured',
  'threads',
  'round-trip',
  'flat',
  'bus',
] as const;
export type SuiteName = (typeof suiteNames)[number];

/** Subjects that are compared: their trials take turns. */
export interface Group {
  readonly suite: SuiteName;
  readonly subjects: readonly Subject[];
}

const defaultSizes = [64, 1024, 65536];
const sweptSizes = [16, 64, 256, 1024, 4096, 65536, 2 ** 20];

export const flatSize = 64;
const roundTripSize = 64;
/** What the structured value comes to, for the rate; it has no size of its own. */
const structuredSize = 150;
const flatCapacities = [2 ** 16, 2 ** 20, 2 ** 26];
/** All 64 of 4 KiB fit into the caches together, as one of 64 KiB does. */
const flatRings: [rings: number, capacity: number][] = [
  [1, 2 ** 16],
  [64, 2 ** 16],
  [64, 2 ** 12],
];

/** How the bus and `cluster` are compared; `cluster`'s own way is the last of each row. */
const busValues: { size: number; content: Content }[] = [
  { size: 64, content: 'fields' },
  { size: 1024, content: 'fields' },
  { size: 1024, content: 'list' },
];
export const busWays = [
  ['bus-down', 'send-down'],
  ['bus-across', 'relay-across'],
  ['bus-broadcast', 'send-broadcast'],
  ['bus-broadcast-across', 'relay-broadcast'],
];
const busRoundTrips = ['bus-across', 'bus-request', 'relay-across'];

const swept = ['cpp', 'ring', 'cpp-corked', 'ring-corked', 'cpp-copied', 'ring-copied'];
const peers = [
  'ring-reserved',
  'channel',
  'process-send-json',
  'process-send-advanced',
  'unix-socket',
  'tcp',
  'conn',
];

/** Streams read into memory that is reused: for large messages. */
const readersInto = ['unix-socket-onread', 'tcp-onread', 'conn-onread'];
const largeSize = 65536;

const roundTrips: [string, Place][] = [
  ['process-send-json', 'process'],
  ['process-send-advanced', 'process'],
  ['post-message', 'thread'],
  ['unix-socket', 'process'],
  ['tcp', 'process'],
  ['conn', 'process'],
  ['http-unix-socket', 'process'],
  ['http-conn', 'process'],
  ['channel', 'process'],
  ['channel-asleep', 'process'],
  ['channel-spin', 'process'],
  ['ring-blocking', 'process'],
  ['ring-tryread', 'process'],
  ['ring', 'process'],
  ['cpp', 'process'],
];

/** A megabyte lies in the caches; of large messages there is room for some dozens. */
function capacityFor(size: number): number {
  return Math.min(2 ** 26, Math.max(2 ** 20, 2 ** Math.ceil(Math.log2(64 * size))));
}

function subject(transport: string, place: Place, kind: Kind, size: number): Subject {
  return { transport, place, kind, size, capacity: capacityFor(size), rings: 1 };
}

/** @param sizes in place of the usual ones; those of round trips and flat cost stay */
export function plan(suites: readonly SuiteName[], sizes?: readonly number[]): Group[] {
  const groups: Record<SuiteName, () => Group[]> = {
    throughput: () =>
      (sizes ?? sweptSizes).map(size => {
        const all = sizes ?? defaultSizes;
        const others = size < largeSize ? peers : [...peers, ...readersInto];
        const transports = all.includes(size) ? [...swept, ...others] : swept;
        return {
          suite: 'throughput',
          subjects: transports.map(name => subject(name, 'process', 'throughput', size)),
        };
      }),
    structured: () => [
      {
        suite: 'structured',
        subjects: ['channel-structured', 'process-send-structured'].map(name =>
          subject(name, 'process', 'throughput', structuredSize),
        ),
      },
    ],
    threads: () =>
      (sizes ?? defaultSizes).map(size => ({
        suite: 'threads',
        subjects: ['ring', 'ring-corked', 'ring-copied', 'post-message'].map(name =>
          subject(name, 'thread', 'throughput', size),
        ),
      })),
    'round-trip': () => [
      {
        suite: 'round-trip',
        subjects: roundTrips.map(([name, place]) =>
          subject(name, place, 'round-trip', roundTripSize),
        ),
      },
    ],
    flat: () => [
      {
        suite: 'flat',
        subjects: [
          ...flatCapacities.map(capacity => ({
            ...subject('ring', 'process', 'throughput', flatSize),
            capacity,
          })),
          ...flatRings.map(([rings, capacity]) => ({
            ...subject('ring-many', 'process', 'throughput', flatSize),
            capacity,
            rings,
          })),
        ],
      },
    ],
    bus: () => [
      ...busValues
        .filter(({ size }) => sizes?.includes(size) ?? true)
        .flatMap(({ size, content }) =>
          busWays.map(ways => ({
            suite: 'bus' as const,
            subjects: ways.map(name => ({
              ...subject(name, 'process', 'throughput', size),
              content,
            })),
          })),
        ),
      {
        suite: 'bus',
        subjects: busRoundTrips.map(name => subject(name, 'process', 'round-trip', roundTripSize)),
      },
    ],
  };
  return suites.flatMap(name => groups[name]());
}
