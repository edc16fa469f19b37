import {
  type Bounds,
  type Mode,
  type Mutation,
  over,
  redundant,
  type RingState,
  type Role,
  RoleState,
  sawDeath,
  type Side,
  Waiting,
} from './ring-state.js';

/*
 * What a side does in each of its steps. The names of the steps are those of the code: `look` is
 * `ready()`, `wake…` is `RoleHolder.wakePeer`, `peer…` is `RoleHolder.checkPeer`.
 */

export class SideSteps {
  readonly #bounds: Bounds;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  #is(mutation: Mutation): boolean {
    return this.#bounds.mutation === mutation;
  }

  #mode(role: Role): Mode {
    return this.#bounds[role];
  }

  /** What is done for one record, in order; `wake` is `wakePeer`. */
  #order(role: Role, position: number): readonly string[] {
    if (role === 'producer') {
      if (this.#is('publish before payload')) return ['header', 'publish', 'payload', 'wake'];
      if (this.#is('waker looks at waiting before it publishes')) {
        return ['payload', 'header', 'wake', 'publish'];
      }
      const last = position + 1 === this.#bounds.messages;
      if (last && this.#is('ended is stored before the last tail')) {
        return ['payload', 'header', 'ended', 'publish', 'wake'];
      }
      return ['payload', 'header', 'publish', 'wake'];
    }
    if (this.#is('release before reading')) {
      return ['release', 'wake', 'read header', 'read payload'];
    }
    if (this.#is('a release rings nobody')) return ['read header', 'read payload', 'release'];
    return ['read header', 'read payload', 'release', 'wake'];
  }

  /** On to what comes after `done` for this record, or to the next record. */
  #advance(role: Role, own: Side, done: string): void {
    const order = this.#order(role, own.position);
    const following = order[order.indexOf(done) + 1];
    own.then = '';
    if (following === undefined) {
      own.position++;
      this.#idle(role, own);
    } else {
      own.at = following;
    }
  }

  /** Between two records: all of this is local, and so belongs to the step before. */
  #idle(role: Role, own: Side): void {
    const { capacity, messages, stopAfter } = this.#bounds;
    own.then = '';
    const isLast = own.position === (role === 'producer' ? messages : stopAfter);
    const isReady =
      role === 'producer' ? own.position - own.seen < capacity : own.position < own.seen;
    if (isLast) own.at = role === 'producer' && this.#bounds.lingers ? 'lingers' : 'end';
    else if (isReady) own.at = this.#order(role, own.position)[0]!;
    else if (own.sawEnd) own.at = 'end';
    else this.look(own, 'first');
  }

  look(own: Side, then: string): void {
    own.at = 'look';
    own.then = then;
  }

  /** Takes the step that `own` has before it. */
  step(role: Role, next: RingState, own: Side, peer: Side): void {
    const slot = own.position % this.#bounds.capacity;
    switch (own.at) {
      // RoleHolder: its constructor, and where producer and consumer start on a ring
      case 'lock':
        own.locked = 1;
        own.at = own.state === RoleState.attached && this.attachesFirst ? 'load' : 'reset';
        return;
      case 'reset':
        own.waiting = Waiting.none;
        own.at = 'attach';
        return;
      case 'attach':
        own.state = RoleState.attached;
        own.at = own.locked ? 'load' : 'lock';
        return;
      case 'load':
        own.position = own.shared;
        // Nothing is known about the peer yet: the first look finds out.
        own.seen = role === 'consumer' ? own.position : own.position - this.#bounds.capacity;
        return this.#idle(role, own);

      // Producer: tryWrite
      case 'payload':
        next.payloads[slot] = own.position + 1;
        return this.#advance(role, own, 'payload');
      case 'header':
        next.headers[slot] = own.position + 1;
        return this.#advance(role, own, 'header');
      case 'ended':
        own.state = RoleState.ended;
        return this.#advance(role, own, 'ended');
      case 'publish':
        own.shared = own.position + 1;
        return this.#advance(role, own, 'publish');

      // Consumer: tryRead
      case 'read header':
        own.got = next.headers[slot]!;
        return this.#advance(role, own, 'read header');
      case 'read payload': {
        const expected = own.position + 1;
        const payload = next.payloads[slot]!;
        if (own.got !== expected || payload !== expected) {
          next.fault = `expected record ${expected}, got header ${own.got}, payload ${payload}`;
        }
        own.got = 0;
        return this.#advance(role, own, 'read payload');
      }
      case 'release':
        own.shared = own.position + 1;
        return this.#advance(role, own, 'release');

      // RoleHolder.close
      case 'end':
        own.waiting = Waiting.none;
        own.at = this.#unlocksFirst ? 'unlock' : 'end state';
        return;
      case 'end state':
        own.state = RoleState.ended;
        own.at = this.#is('the end rings nobody') ? 'unlock' : 'wake';
        if (own.at === 'wake') own.then = 'unlock';
        if (!own.locked) own.at = 'done';
        return;
      case 'unlock':
        own.locked = 0;
        own.then = '';
        own.at = this.#unlocksFirst ? 'end state' : 'done';
        return;
      default:
        return this.#isWaking(own) ? this.#wake(role, own, peer) : this.#wait(role, own, peer);
    }
  }

  /** A mutation: the state comes before the lock. */
  get attachesFirst(): boolean {
    return this.#is('attached is stored before the lock is taken');
  }

  get #unlocksFirst(): boolean {
    return this.#is('the lock goes before ended is stored');
  }

  #isWaking(own: Side): boolean {
    return own.at === 'wake' || own.at === 'take' || own.at === 'ring' || own.at === 'late take';
  }

  /** RoleHolder.wakePeer: a load; if it says so, an exchange; and the ring. */
  #wake(role: Role, own: Side, peer: Side): void {
    const ringsFirst = this.#is('waiting is cleared after the ring, not before');
    if (own.at === 'wake' && peer.waiting !== Waiting.none) {
      own.got = ringsFirst ? peer.waiting : 0;
      own.at = ringsFirst ? 'ring' : 'take';
      return;
    }
    if (own.at === 'take') {
      own.got = peer.waiting;
      peer.waiting = Waiting.none;
      own.at = 'ring';
      if (own.got !== Waiting.none) return;
    } else if (own.at === 'ring') {
      if (own.got === Waiting.blocked) peer.asleep = 0;
      else if (!over.includes(peer.at)) peer.bell = 1;
      own.got = 0;
      if (ringsFirst) {
        own.at = 'late take';
        return;
      }
    } else if (own.at === 'late take') {
      peer.waiting = Waiting.none;
    }
    if (own.then === 'unlock') {
      own.at = 'unlock';
      own.then = '';
    } else {
      this.#advance(role, own, 'wake');
    }
  }

  /** RoleHolder.waitSync and LoopWaiter: look, set the flag, look again, sleep. */
  #wait(role: Role, own: Side, peer: Side): void {
    switch (own.at) {
      case 'look':
        own.seen = role === 'producer' ? peer.shared : Math.max(peer.shared, own.seen);
        if (this.#hasWork(role, own)) return this.#looked(role, own, true);
        own.at = 'look at state';
        return;
      case 'look at state':
        if (peer.state !== RoleState.ended) return this.#looked(role, own, false);
        if (role === 'consumer' && !this.#is('no look at the tail after ended was seen')) {
          own.at = 'look again';
          return;
        }
        own.sawEnd = 1;
        return this.#looked(role, own, true);
      case 'look again':
        own.seen = peer.shared;
        if (!this.#hasWork(role, own)) own.sawEnd = 1;
        return this.#looked(role, own, true);
      case 'set waiting':
        own.waiting = Waiting[this.#mode(role)];
        if (this.#is('no recheck after waiting was set')) this.#sleep(role, own);
        else this.look(own, 'recheck');
        return;
      case 'sleep':
        own.asleep =
          own.waiting === Waiting.blocked || this.#is('sleep does not compare the flag') ? 1 : 0;
        own.at = own.asleep ? 'asleep' : 'clear';
        return;
      case 'clear':
        own.waiting = Waiting.none;
        if (this.#mode(role) === 'parked') this.#idle(role, own);
        else this.look(own, 'woken');
        return;
      case 'peer state':
        if (peer.state === RoleState.attached) own.at = 'peer lock';
        else this.#again(role, own);
        return;
      case 'peer lock':
        if (peer.locked) this.#again(role, own);
        else if (this.#is(redundant)) this.#found(own);
        else own.at = 'peer state again';
        return;
      case 'peer state again':
        if (peer.state === RoleState.attached) this.#found(own);
        else this.#again(role, own);
    }
  }

  #hasWork(role: Role, own: Side): boolean {
    if (role === 'consumer') return own.position < own.seen;
    return own.position - own.seen < this.#bounds.capacity;
  }

  /** What follows a look, by what it was for. */
  #looked(role: Role, own: Side, ready: boolean): void {
    const { then } = own;
    own.then = '';
    if (then === 'first' || then === 'woken') {
      if (ready) this.#idle(role, own);
      else own.at = then === 'first' ? 'set waiting' : 'peer state';
    } else if (ready) {
      own.at = 'clear';
    } else if (then === 'recheck') {
      this.#sleep(role, own);
    } else if (then === 'sweep') {
      own.at = 'peer state';
    } else if (then === 'poll') {
      own.at = this.#is('flag is not set again after a ring in vain') ? 'parked' : 'set waiting';
    } else {
      this.#mourn(own);
    }
  }

  #sleep(role: Role, own: Side): void {
    own.at = this.#mode(role) === 'parked' ? 'parked' : 'sleep';
  }

  /** The peer lives: on with the wait. */
  #again(role: Role, own: Side): void {
    own.at = this.#mode(role) === 'parked' ? 'parked' : 'set waiting';
  }

  /** The peer died: what it committed before comes first. */
  #found(own: Side): void {
    if (this.#is('no look at the ring after a death was seen')) this.#mourn(own);
    else this.look(own, 'died');
  }

  #mourn(own: Side): void {
    own.sawEnd = sawDeath;
    own.at = 'end';
  }
}
