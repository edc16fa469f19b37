import {
  type ControlMessage,
  hello,
  opened,
  refusal,
  type SerializationMode,
} from './control-messages.js';
import { debug } from './debug.js';
import { type Handshake, IpcEnd } from './ipc-end.js';
import { loadTraffic } from './load-traffic.js';
import type { IpcTarget } from './node-ipc.js';

/**
 * Messages, both ways together, before a child asks for more than the socket: loading what is
 * needed takes as long as thousands of messages, too long for short-lived children.
 * `MMAP_TRANSPORT_AUTO` can be another number.
 */
const messagesBefore = Number(process.env.MMAP_TRANSPORT_AUTO) || 24;

/** Where this process has an IPC channel to the process that has made it. */
export function hookProcess(): void {
  const target = process as unknown as IpcTarget;
  if (IpcEnd.attach(target, true, end => new ChildHandshake(end))) debug('hooked this process');
}

class ChildHandshake implements Handshake {
  readonly #end: IpcEnd;
  #left = messagesBefore;
  passed: (() => void) | undefined = () => {
    if (--this.#left > 0) return;
    this.passed = undefined;
    this.#end.sendControl(hello);
  };

  constructor(end: IpcEnd) {
    this.#end = end;
  }

  received(message: ControlMessage): void {
    // Both ends load it at the same time. What fails is reported when it is needed.
    if (message.act === 'welcome') void loadTraffic().catch(() => undefined);
    else if (message.act === 'offer') void this.#open(message.path, message.mode);
  }

  async #open(path: string, mode: SerializationMode): Promise<void> {
    const end = this.#end;
    try {
      const { RingTraffic } = await loadTraffic();
      if (end.hasEnded) return;
      end.receiveBy(RingTraffic.open(end, path, mode));
      end.sendControl(opened);
      end.sendByRing();
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
