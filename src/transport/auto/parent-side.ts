import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  type ControlMessage,
  offer,
  protocolVersion,
  type SerializationMode,
  welcome,
} from './control-messages.js';
import { debug } from './debug.js';
import { type Handshake, IpcEnd } from './ipc-end.js';
import { loadTraffic } from './load-traffic.js';
import type { IpcTarget } from './node-ipc.js';
import type { RingTraffic } from './ring-traffic.js';

interface SpawnOptions {
  serialization?: SerializationMode;
}

type Spawn = (this: IpcTarget, options: SpawnOptions) => unknown;

interface Prototype {
  spawn: Spawn;
}

/**
 * Hooks every child with an IPC channel that this process will have, whichever of `fork`, `spawn`
 * and `cluster.fork` makes it. `node:child_process` is not loaded for it: Node tells of the first
 * child while that is being made, before it is started.
 */
export function hookChildren(): void {
  const name = 'child_process';
  const listener = (message: unknown) => {
    unsubscribe(name, listener);
    const prototype = spawnerOf((message as { process: ChildProcess }).process);
    if (prototype) hook(prototype);
  };
  subscribe(name, listener);
}

/** The prototype of all children, also below a class that a user has derived. */
function spawnerOf(child: object): Prototype | undefined {
  let prototype = Object.getPrototypeOf(child) as object | null;
  while (prototype && !Object.hasOwn(prototype, 'spawn')) {
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return prototype as Prototype | undefined;
}

function hook(prototype: Prototype): void {
  const plain = prototype.spawn;
  prototype.spawn = function spawn(options) {
    const result = plain.call(this, options);
    const mode = options.serialization ?? 'json';
    IpcEnd.attach(this, false, end => new ParentHandshake(end, mode));
    return result;
  };
}

class ParentHandshake implements Handshake {
  readonly #end: IpcEnd;
  readonly #mode: SerializationMode;
  #traffic: RingTraffic | undefined;
  #isAsked = false;

  constructor(end: IpcEnd, mode: SerializationMode) {
    this.#end = end;
    this.#mode = mode;
  }

  received(message: ControlMessage): void {
    if (message.act === 'hello') {
      if (message.version === protocolVersion && !this.#isAsked) void this.#offer();
      this.#isAsked = true;
    } else if (message.act === 'open') {
      this.#opened();
    } else if (message.act === 'refuse') {
      debug('%s refused: %s', this.#end.name, message.reason);
      this.#giveUp();
    }
  }

  async #offer(): Promise<void> {
    const end = this.#end;
    try {
      end.sendControl(welcome);
      const { RingTraffic } = await loadTraffic();
      if (end.hasEnded) return;
      this.#traffic = RingTraffic.create(end, this.#mode);
      end.receiveBy(this.#traffic);
      end.sendControl(offer(this.#traffic.path, this.#mode));
    } catch (error) {
      debug('%s: goes on over the socket: %s', end.name, (error as Error).message);
      this.#giveUp();
    }
  }

  #opened(): void {
    this.#traffic?.unlink();
    // Where its doorbell is out of reach, only the child uses the rings.
    if (this.#traffic) this.#end.sendByRing();
  }

  #giveUp(): void {
    if (this.#traffic) this.#end.giveUp();
    this.#traffic = undefined;
  }

  ended(): void {
    this.#traffic = undefined;
  }
}
