import type { Model, Step } from './checker.js';

/*
 * A topic's publisher and its readers as step machines: each step is one access to shared memory, one
 * ring of a bell, or a death. The names of the steps are those of the code: `claim` is
 * `TopicWriter.#extend`, `take …` is `ReaderBells.wake`, `look at intent` is `TopicReader.isLapped`,
 * `land` is `Places.behindTail`, `hold` is `ReaderSlot.hold`.
 *
 * Positions count records; `capacity` of them fit, and a slice is one record.
 */

export const topicMutations = [
  'no look at intent after the copy',
  'the look after the copy is at the tail',
  'a record is claimed after it was written',
  'a header is judged before the look',
  'a lapped reader goes on at the intent',
  'a landing is not looked at again',
  'no recheck after sleepers was set',
  'sleepers is set before the bit',
  'sleepers is taken after the bits',
  'sleepers is looked at before the tail is stored',
  'a release rings nobody',
  'the publisher does not look again after it parked',
  'a reader that joins is not counted',
  'a reader that joins does not look whether it came in time',
  'a reader that joins rings nobody',
  'ended is stored before the last tail',
  'no look at the tail after ended was seen',
  'the end rings nobody',
  'nobody looks for the dead',
] as const;

export type TopicMutation = (typeof topicMutations)[number];

export interface TopicBounds {
  readonly capacity: number;
  readonly messages: number;
  readonly readers: number;
  /** The first reader is waited for. */
  readonly waits?: boolean;
  /** Who may be killed, at any step. */
  readonly deaths?: readonly ('publisher' | 'reader')[];
  /** The publisher stays after its last record: no late event wakes a sleeper. */
  readonly lingers?: boolean;
  readonly mutation?: TopicMutation;
}

interface Publisher {
  at: string;
  /** The record it writes. */
  record: number;
  limit: number;
  joinsSeen: number;
  /** The reader whose bit comes next. */
  scan: number;
  bell: number;
}

interface Reader {
  at: string;
  then: string;
  position: number;
  tail: number;
  header: number;
  payload: number;
  landing: number;
  waiting: number;
  bit: number;
  bell: number;
}

export interface TopicState {
  tail: number;
  intent: number;
  ended: number;
  sleepers: number;
  joins: number;
  held: number;
  head: number;
  publisherWaiting: number;
  headers: number[];
  payloads: number[];
  publisher: Publisher;
  readers: Reader[];
  fault: string;
}

const over = ['done', 'dead', 'lingers'];

export class TopicModel implements Model<TopicState> {
  readonly initial: TopicState;
  readonly #bounds: TopicBounds;

  constructor(bounds: TopicBounds) {
    this.#bounds = bounds;
    const reader = (first: boolean): Reader => ({
      ...{ at: first && bounds.waits ? 'hold' : 'look', then: '', position: 0, tail: 0, header: 0 },
      ...{ payload: 0, landing: 0, waiting: 0, bit: 0, bell: 0 },
    });
    this.initial = {
      ...{ tail: 0, intent: 0, ended: 0, sleepers: 0, joins: 0, held: 0, head: 0 },
      ...{ publisherWaiting: 0, fault: '' },
      headers: Array<number>(bounds.capacity).fill(0),
      payloads: Array<number>(bounds.capacity).fill(0),
      publisher: { at: 'next', record: 0, limit: -1, joinsSeen: -1, scan: 0, bell: 0 },
      readers: Array.from({ length: bounds.readers }, (_, index) => reader(index === 0)),
    };
  }

  key(state: TopicState): string {
    const { headers, payloads, publisher, readers, ...shared } = state;
    const parts = [shared, publisher, ...readers].map(part => Object.values(part).join());
    return `${parts.join('|')}|${headers.join()}|${payloads.join()}`;
  }

  fault({ fault }: TopicState): string | undefined {
    return fault || undefined;
  }

  isFinal({ publisher, readers, tail }: TopicState): boolean {
    if (!over.includes(publisher.at)) return false;
    return readers.every(({ at, position, bell }) => {
      if (over.includes(at)) return true;
      return publisher.at === 'lingers' && at === 'parked' && position === tail && !bell;
    });
  }

  steps(state: TopicState): Step<TopicState>[] {
    const found: Step<TopicState>[] = [];
    const add = (name: string, change: (next: TopicState) => void, optional = false) => {
      const next = structuredCopy(state);
      change(next);
      found.push({ name, next, optional });
    };
    const { publisher, readers } = state;
    const { deaths } = this.#bounds;
    if (!over.includes(publisher.at)) {
      if (deaths?.includes('publisher')) {
        add('publisher: is killed', next => (next.publisher.at = 'dead'), true);
      }
      if (publisher.at !== 'parked') {
        add(`publisher: ${publisher.at}`, next => this.#publish(next, next.publisher));
      } else {
        if (publisher.bell) {
          add('publisher: takes a token', next => {
            next.publisher.bell = 0;
            next.publisher.at = 'joins';
          });
        }
        if (readers[0]!.at === 'dead' && state.held && !this.#is('nobody looks for the dead')) {
          add('publisher: finds the reader dead', next => {
            next.held = 0;
            next.publisher.at = 'joins';
          });
        }
      }
    }
    for (const [index, { at, bell }] of readers.entries()) {
      if (over.includes(at)) continue;
      const own = `reader ${index}`;
      if (deaths?.includes('reader')) {
        add(`${own}: is killed`, next => (next.readers[index]!.at = 'dead'), true);
      }
      if (at !== 'parked') {
        add(`${own}: ${at}`, next => this.#read(next, next.readers[index]!, index));
        continue;
      }
      if (bell) {
        add(`${own}: takes a token`, next => {
          Object.assign(next.readers[index]!, { bell: 0, at: 'look' });
        });
      }
      const isDead = publisher.at === 'dead' && !this.#is('nobody looks for the dead');
      // What was published comes first; then the end.
      if (isDead) {
        add(`${own}: finds the publisher dead`, next => {
          const reader = next.readers[index]!;
          reader.at = reader.position < next.tail ? 'look' : 'done';
        });
      }
    }
    return found;
  }

  #publish(next: TopicState, own: Publisher): void {
    const { capacity, messages, waits } = this.#bounds;
    const slot = (own.record - 1) % capacity;
    switch (own.at) {
      case 'next':
        if (own.record === messages) {
          own.at = this.#bounds.lingers ? 'lingers' : 'end';
          return;
        }
        own.record++;
        own.at = waits
          ? 'joins'
          : this.#is('a record is claimed after it was written')
            ? 'payload'
            : 'claim';
        return;
      case 'joins': {
        const isSame = next.joins === own.joinsSeen;
        own.at = isSame && (own.limit < 0 || own.record <= own.limit) ? 'claim' : 'scan readers';
        own.joinsSeen = next.joins;
        return;
      }
      case 'scan readers':
        own.limit = next.held && next.intent - next.head <= capacity ? next.head + capacity : -1;
        own.at = own.limit < 0 || own.record <= own.limit ? 'claim' : 'park';
        return;
      case 'park':
        next.publisherWaiting = 1;
        own.at = this.#is('the publisher does not look again after it parked')
          ? 'parked'
          : 'look again';
        return;
      case 'look again': {
        const isFree = !next.held || own.record <= next.head + capacity;
        own.at = isFree ? 'joins' : 'parked';
        if (isFree) next.publisherWaiting = 0;
        return;
      }
      case 'claim':
        next.intent = own.record;
        own.at = this.#is('a record is claimed after it was written') ? 'publish' : 'payload';
        return;
      case 'payload':
        next.payloads[slot] = own.record;
        own.at = 'header';
        return;
      case 'header':
        next.headers[slot] = own.record;
        own.at = this.#is('a record is claimed after it was written') ? 'claim' : 'publish';
        if (own.at === 'publish' && own.record === messages) {
          if (this.#is('ended is stored before the last tail') && !this.#bounds.lingers)
            next.ended = 1;
        }
        if (own.at === 'publish' && this.#is('sleepers is looked at before the tail is stored')) {
          own.at = 'sleepers';
        }
        return;
      case 'publish':
        next.tail = own.record;
        own.at = this.#is('sleepers is looked at before the tail is stored') ? 'next' : 'sleepers';
        return;
      case 'end':
        next.ended = 1;
        own.at = this.#is('the end rings nobody') ? 'done' : 'sleepers';
        return;
      case 'sleepers':
        if (!next.sleepers) return this.#woken(next, own);
        own.scan = 0;
        own.at = this.#is('sleepers is taken after the bits') ? 'take bit' : 'take sleepers';
        return;
      case 'take sleepers':
        next.sleepers = 0;
        if (this.#is('sleepers is taken after the bits')) return this.#woken(next, own);
        own.at = 'take bit';
        return;
      case 'take bit': {
        const reader = next.readers[own.scan]!;
        own.at = reader.bit ? 'take waiting' : 'next bit';
        reader.bit = 0;
        return;
      }
      case 'take waiting': {
        const reader = next.readers[own.scan]!;
        if (reader.waiting) reader.bell = 1;
        reader.waiting = 0;
        own.at = 'next bit';
        return;
      }
      case 'next bit':
        own.at = 'take bit';
        if (++own.scan < next.readers.length) return;
        own.scan = 0;
        if (this.#is('sleepers is taken after the bits')) own.at = 'take sleepers';
        else this.#woken(next, own);
        return;
    }
  }

  #woken(next: TopicState, own: Publisher): void {
    const isBefore = this.#is('sleepers is looked at before the tail is stored');
    own.at =
      next.ended && next.tail === this.#bounds.messages ? 'done' : isBefore ? 'publish' : 'next';
  }

  #read(next: TopicState, own: Reader, index: number): void {
    const { capacity, waits } = this.#bounds;
    const isHeld = Boolean(waits) && index === 0;
    const slot = own.position % capacity;
    switch (own.at) {
      case 'hold':
        next.head = next.tail;
        own.at = 'set waited for';
        return;
      case 'set waited for':
        next.held = 1;
        own.at = 'count join';
        return;
      case 'count join':
        if (!this.#is('a reader that joins is not counted')) next.joins++;
        own.at = 'begin';
        return;
      case 'begin':
        own.position = own.tail = next.tail;
        own.at = 'hold there';
        return;
      case 'hold there':
        next.head = own.position;
        own.at = 'count again';
        return;
      case 'count again':
        if (!this.#is('a reader that joins is not counted')) next.joins++;
        own.at = 'look whether it holds';
        return;
      case 'look whether it holds': {
        // A claim that had begun may come yet.
        const isFar = next.intent - own.position > capacity - 1;
        const isTrusted = this.#is('a reader that joins does not look whether it came in time');
        own.at = isFar && !isTrusted ? 'begin' : 'look at publisher';
        if (this.#is('a reader that joins rings nobody') && !isFar) own.at = 'look';
        return;
      }
      case 'look':
        own.tail = next.tail;
        if (own.tail !== own.position) own.at = 'read header';
        else own.at = isHeld && next.head !== own.position ? 'release' : 'look at end';
        return;
      case 'look at end':
        own.at = !next.ended ? 'set waiting' : 'look once more';
        if (next.ended && this.#is('no look at the tail after ended was seen'))
          this.#end(next, own);
        return;
      case 'look once more':
        if (next.tail === own.position) this.#end(next, own);
        else own.at = 'look';
        return;
      case 'read header':
        own.header = next.headers[slot]!;
        own.at = 'read payload';
        if (this.#is('a header is judged before the look') && own.header !== own.position + 1) {
          next.fault = 'a record that was overwritten is called damaged';
        }
        return;
      case 'read payload':
        own.payload = next.payloads[slot]!;
        own.at = 'look at intent';
        return;
      case 'look at intent': {
        const seen = this.#is('the look after the copy is at the tail') ? next.tail : next.intent;
        if (seen - own.position > capacity && !this.#is('no look at intent after the copy')) {
          if (isHeld) next.fault = 'a reader that is waited for was lapped';
          own.at = 'land';
          return;
        }
        const expected = own.position + 1;
        if (own.header !== expected || own.payload !== expected) next.fault = 'a torn record';
        if (expected > next.tail) next.fault = 'a record that is not published';
        own.position++;
        own.at = isHeld ? 'release' : 'look';
        Object.assign(own, { header: 0, payload: 0 });
        if (own.at === 'look' && own.position < own.tail) own.at = 'read header';
        return;
      }
      case 'release':
        next.head = own.position;
        own.at = this.#is('a release rings nobody') ? 'look' : 'look at publisher';
        return;
      case 'look at publisher':
        if (next.publisherWaiting) next.publisher.bell = 1;
        next.publisherWaiting = 0;
        own.at = 'look';
        return;
      case 'land': {
        const end = this.#is('a lapped reader goes on at the intent') ? next.intent : next.tail;
        own.landing = Math.max(own.position, end - 1);
        own.at = 'look at landing';
        return;
      }
      case 'look at landing':
        if (next.intent - own.landing > capacity && !this.#is('a landing is not looked at again')) {
          own.at = 'land';
          return;
        }
        // An anchor that was overwritten says where another record is.
        if (next.intent - own.landing > capacity)
          next.fault = 'an anchor that was overwritten is used';
        own.position = own.landing;
        own.tail = this.#is('a lapped reader goes on at the intent')
          ? own.landing + 1
          : own.landing;
        Object.assign(own, { header: 0, payload: 0, landing: 0 });
        own.at = own.tail > own.position ? 'read header' : 'look';
        return;
      case 'set waiting':
        own.waiting = 1;
        own.at = this.#is('sleepers is set before the bit') ? 'set sleepers' : 'set bit';
        return;
      case 'set bit':
        own.bit = 1;
        own.at = this.#is('sleepers is set before the bit') ? 'recheck' : 'set sleepers';
        return;
      case 'set sleepers':
        next.sleepers = 1;
        own.at = this.#is('sleepers is set before the bit') ? 'set bit' : 'recheck';
        if (own.at === 'recheck' && this.#is('no recheck after sleepers was set'))
          own.at = 'parked';
        return;
      case 'recheck':
        own.at = next.tail !== own.position || next.ended ? 'unpark' : 'parked';
        return;
      case 'unpark':
        own.waiting = 0;
        own.at = 'look';
        return;
    }
  }

  #end(next: TopicState, own: Reader): void {
    own.at = 'done';
    if (own.position !== next.tail) next.fault = `the end came after ${own.position} records`;
    if (next.publisher.record !== next.tail) next.fault = 'the end came before the last record';
  }

  #is(mutation: TopicMutation): boolean {
    return this.#bounds.mutation === mutation;
  }
}

function structuredCopy(state: TopicState): TopicState {
  return {
    ...state,
    headers: [...state.headers],
    payloads: [...state.payloads],
    publisher: { ...state.publisher },
    readers: state.readers.map(reader => ({ ...reader })),
  };
}
