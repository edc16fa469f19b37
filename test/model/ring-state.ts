/** How a side sleeps: the numbers are those of `Waiting` in the layout. */
export type Mode = 'blocked' | 'parked';

/** One way of getting the protocol wrong. */
export const mutations = [
  'no recheck after waiting was set',
  'waker looks at waiting before it publishes',
  'publish before payload',
  'release before reading',
  'no look at the tail after ended was seen',
  'ended is stored before the last tail',
  'no look at the ring after a death was seen',
  'waiting is cleared after the ring, not before',
  'sleep does not compare the flag',
  'flag is not set again after a ring in vain',
  'attached is stored before the lock is taken',
  'the lock goes before ended is stored',
  'the end rings nobody',
  'a release rings nobody',
] as const;

/** The code does it nevertheless; the model shows that nothing rests on it. */
export const redundant = 'no second look at the state of a dead peer';

export type Mutation = (typeof mutations)[number] | typeof redundant;

export interface Bounds {
  readonly capacity: number;
  readonly messages: number;
  readonly producer: Mode;
  readonly consumer: Mode;
  /** Sleepers look by themselves from time to time. */
  readonly repoll?: boolean;
  /** The roles that may be killed, at any step. */
  readonly deaths?: readonly Role[];
  /** A killed consumer is followed by another one, once. */
  readonly restart?: boolean;
  /** The consumer closes after this many records. */
  readonly stopAfter?: number;
  /** The producer neither ends nor writes after its last record: no late event wakes a sleeper. */
  readonly lingers?: boolean;
  readonly mutation?: Mutation;
}

export type Role = 'producer' | 'consumer';

export const RoleState = { never: 0, attached: 1, ended: 2 } as const;
export const Waiting = { none: 0, blocked: 1, parked: 2 } as const;

export interface Side {
  /** The step it takes next. */
  at: string;
  /** What a `look` or a `wake` returns to. */
  then: string;
  /** Its own position, in records. */
  position: number;
  /** The cached position of the other side. */
  seen: number;
  /** What `takeWord` gave, or the record header that was read. */
  got: number;
  sawEnd: number;
  /** Shared memory: its position, waiting flag, state. */
  shared: number;
  waiting: number;
  state: number;
  /** The kernel's: its lock, whether it sleeps in a futex, a token in its bell. */
  locked: number;
  asleep: number;
  bell: number;
}

export interface RingState {
  readonly producer: Side;
  readonly consumer: Side;
  /** Header and payload word of each record slot. */
  readonly headers: number[];
  readonly payloads: number[];
  restarts: number;
  fault: string;
}

/** In `sawEnd`: the peer died. The survivor then gives its own role up. */
export const sawDeath = 2;

export const over = ['done', 'dead'];

export function newSide(): Side {
  return {
    ...{ at: 'lock', then: '', position: 0, seen: 0, got: 0, sawEnd: 0 },
    ...{ shared: 0, waiting: Waiting.none, state: RoleState.never },
    ...{ locked: 0, asleep: 0, bell: 0 },
  };
}

export function copy(state: RingState): RingState {
  return {
    producer: { ...state.producer },
    consumer: { ...state.consumer },
    headers: [...state.headers],
    payloads: [...state.payloads],
    restarts: state.restarts,
    fault: state.fault,
  };
}
