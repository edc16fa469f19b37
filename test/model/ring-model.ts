import type { Model, Step } from './checker.js';
import {
  type Bounds,
  copy,
  newSide,
  over,
  type RingState,
  RoleState,
  sawDeath,
  type Side,
} from './ring-state.js';
import { SideSteps } from './side-steps.js';

/*
 * A ring with its two sides as step machines: each step is one access to shared memory, one
 * system call, or a death. Here is which steps there are and what is wrong; side-steps.ts has
 * what a side does in each.
 */

export class RingModel implements Model<RingState> {
  readonly initial: RingState;
  readonly #bounds: Bounds;
  readonly #steps: SideSteps;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#steps = new SideSteps(bounds);
    this.initial = {
      producer: newSide(),
      consumer: newSide(),
      headers: Array<number>(bounds.capacity).fill(0),
      payloads: Array<number>(bounds.capacity).fill(0),
      restarts: bounds.restart ? 1 : 0,
      fault: '',
    };
    if (this.#steps.attachesFirst) {
      this.initial.producer.at = 'attach';
      this.initial.consumer.at = 'attach';
    }
  }

  key({ producer, consumer, headers, payloads, restarts, fault }: RingState): string {
    const text = (side: Side) => Object.values(side).join(' ');
    return `${text(producer)}|${text(consumer)}|${headers.join()}|${payloads.join()}|${restarts}${fault}`;
  }

  isFinal({ producer, consumer }: RingState): boolean {
    const isOver = (side: Side) => over.includes(side.at);
    if (isOver(producer) && isOver(consumer)) return true;
    // Sleeping is right if there is nothing to read and never will be.
    if (producer.at === 'lingers') {
      const sleeps = consumer.asleep || (consumer.at === 'parked' && !consumer.bell);
      return Boolean(sleeps) && consumer.position === producer.shared;
    }
    // A side that died before it had attached was never there: its peer waits for one to come.
    const neverCame = (side: Side) => side.at === 'dead' && side.state === RoleState.never;
    return neverCame(producer) || neverCame(consumer);
  }

  fault({ producer, consumer, fault, restarts }: RingState): string | undefined {
    if (fault) return fault;
    if (consumer.at === 'end' && consumer.sawEnd === sawDeath) {
      if (producer.at !== 'dead') return 'the consumer calls a live producer dead';
      if (consumer.position !== producer.shared) return 'a committed record was not delivered';
    }
    const wasKilled = consumer.at === 'dead' || (this.#bounds.restart && restarts === 0);
    if (producer.sawEnd === sawDeath && !wasKilled)
      return 'the producer calls a live consumer dead';
    if (consumer.at === 'done' && consumer.sawEnd === 1 && consumer.position !== producer.shared) {
      return `the consumer saw the end after ${consumer.position} records`;
    }
    return undefined;
  }

  steps(state: RingState): Step<RingState>[] {
    const found: Step<RingState>[] = [];
    for (const role of ['producer', 'consumer'] as const) {
      const { at, then, asleep, bell } = state[role];
      const add = (
        name: string,
        change: (next: RingState, own: Side, peer: Side) => void,
        optional = false,
      ) => {
        const next = copy(state);
        change(next, next[role], next[role === 'producer' ? 'consumer' : 'producer']);
        found.push({ name: `${role}: ${name}`, next, optional });
      };
      if (at === 'dead' && role === 'consumer' && state.restarts > 0) {
        add('another one starts', (next, own) => {
          next.restarts--;
          Object.assign(own, newSide(), {
            ...{ shared: own.shared, waiting: own.waiting, state: own.state },
          });
        });
      }
      if (over.includes(at) || at === 'lingers') continue;
      if (this.#bounds.deaths?.includes(role)) {
        // All that a death changes is what the kernel keeps.
        const died = { at: 'dead', then: '', locked: 0, asleep: 0, bell: 0, got: 0 };
        add('is killed', (_, own) => Object.assign(own, died), true);
      }
      if (at === 'asleep') {
        if (!asleep) add('wakes up', (_, own) => (own.at = 'clear'));
        else if (this.#bounds.repoll) {
          add('sleeps no longer', (_, own) => Object.assign(own, { at: 'clear', asleep: 0 }));
        }
      } else if (at === 'parked') {
        if (bell) {
          add('takes a token', (_, own) => {
            own.bell = 0;
            this.#steps.look(own, 'poll');
          });
        }
        if (this.#bounds.repoll) add('sweeps', (_, own) => this.#steps.look(own, 'sweep'));
      } else {
        const name = then ? `${at} (then ${then})` : at;
        add(name, (next, own, peer) => this.#steps.step(role, next, own, peer));
      }
    }
    return found;
  }
}
