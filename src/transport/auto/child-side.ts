import { type ControlMessage, hello, opened, refusal } from './control-messages.js';
import { debug } from './debug.js';
import { type Handshake, IpcEnd } from './ipc-end.js';
import type { IpcTarget } from './node-ipc.js';

/**
 * Messages, both ways together, before a child asks for more than the socket: loading what is
 * needed takes as long as thousands of messages, too long for short-lived children.
 * `MMAP_TRANSPORT_AUTO` can be another number.
 */
const messagesBefore = Number(process.env.MMAP_TRANSPORT_AUTO) || 24;

type Rings = typeof import('./shared-rings.js');

/** Where this process has an IPC channel to the process that has made it. */
export function hookProcess(): void {
  const target = process as unknown as IpcTarget;
  if (IpcEnd.attach(target, true, end => new ChildHandshake(end))) debug('hooked this process');
}

class ChildHandshake implements Handshake {
  readonly #end: IpcEnd;
  #left = messagesBefore;
  #loading: Promise<Rings> | undefined;
  passed: (() => void) | undefined = () => {
    if (--this.#left > 0) return;
    this.passed = undefined;
    this.#end.sendControl(hello);
  };

  constructor(end: IpcEnd) {
    this.#end = end;
  }

  received(message: ControlMessage): void {
    if (message.act === 'welcome') {
      this.#loading ??= import('./shared-rings.js');
      this.#loading.catch(() => undefined); // reported when it is needed
    } else if (message.act === 'offer') {
      void this.#open(message.path, message.mode);
    }
  }

  async #open(...args: Parameters<Rings['SharedRings']['open']>): Promise<void> {
    const end = this.#end;
    try {
      this.#loading ??= import('./shared-rings.js');
      const { SharedRings } = await this.#loading;
      if (end.hasEnded) return;
      const rings = SharedRings.open(...args);
      rings.unlink();
      if (!rings.ringPeer()) {
        rings.close();
        throw new Error('the parent cannot be woken from here');
      }
      end.receiveBy(rings);
      end.sendControl(opened);
      end.sendBy(rings);
    } catch (error) {
      const { message } = error as Error;
      debug('goes on over the socket: %s', message);
      end.sendControl(refusal(message));
    }
  }

  ended(): void {
    this.passed = undefined;
  }
}
