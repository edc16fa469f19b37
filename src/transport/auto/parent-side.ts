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
import type { IpcTarget } from './node-ipc.js';
import type { SharedRings } from './shared-rings.js';

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
  #rings: SharedRings | undefined;
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
      const { SharedRings } = await import('./shared-rings.js');
      if (end.hasEnded) return;
      const rings = SharedRings.create(this.#mode);
      this.#rings = rings;
      end.receiveBy(rings);
      end.sendControl(offer(rings.path, this.#mode));
    } catch (error) {
      debug('%s: goes on over the socket: %s', end.name, (error as Error).message);
      this.#giveUp();
    }
  }

  #opened(): void {
    const rings = this.#rings;
    if (!rings || rings.closed) return;
    rings.unlink();
    // Where its doorbell is out of reach, only the child uses the rings.
    if (rings.ringPeer()) this.#end.sendBy(rings);
  }

  #giveUp(): void {
    if (this.#rings) this.#end.giveUp();
    this.#rings = undefined;
  }

  ended(): void {
    this.#rings = undefined;
  }
}
