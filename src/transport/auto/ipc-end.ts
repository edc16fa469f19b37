import { nextTick } from '../../timers.js';
import { ListenerScope } from '../ring/listener-scope.js';
import { type ControlMessage, isControl, isHandleAnswer } from './control-messages.js';
import { debug } from './debug.js';
import { EarlyMessages } from './early-messages.js';
import {
  type Control,
  findInternals,
  type Internals,
  type IpcTarget,
  type Send,
} from './node-ipc.js';
import type { RingTraffic } from './ring-traffic.js';
import type { TrafficEnd } from './traffic-end.js';

/** What the two processes agree on, as one of them sees it. */
export interface Handshake {
  received(message: ControlMessage): void;
  /** A message has come or gone by the socket. */
  passed?: (() => void) | undefined;
  /** The channel has ended. */
  ended(): void;
}

/**
 * One process's end of an IPC channel of Node: `process` in a child, a ChildProcess in its parent.
 * Node's own functions stay in charge; what they send and receive goes through here.
 */
export class IpcEnd implements TrafficEnd {
  readonly name: string;
  readonly target: IpcTarget;
  readonly internals: Internals;
  readonly plainSend: Send;
  readonly control: Control | undefined;
  readonly scope = new ListenerScope('MMAP_AUTO');
  readonly #plainDisconnect: () => void;
  #handshake: Handshake | undefined;
  #traffic: RingTraffic | undefined;
  /** Node sends again what had to wait for the peer's answer to a handle. */
  #isResending = false;
  #hasEnded = false;

  /**
   * @param isChild whether `target` is this process
   * @returns undefined where there is no channel, or not one that is known here
   */
  static attach(
    target: IpcTarget,
    isChild: boolean,
    handshake: (end: IpcEnd) => Handshake,
  ): IpcEnd | undefined {
    const internals = findInternals(target);
    if (!internals) return undefined;
    const end = new IpcEnd(target, internals, isChild);
    end.#handshake = handshake(end);
    return end;
  }

  private constructor(target: IpcTarget, internals: Internals, isChild: boolean) {
    this.name = isChild ? 'parent' : `child ${String((target as { pid?: number }).pid)}`;
    this.target = target;
    this.internals = internals;
    this.control = isChild ? internals.control : undefined;
    this.plainSend = target._send.bind(target);
    this.#plainDisconnect = target._disconnect.bind(target);
    this.#hook(isChild);
  }

  /** Sends over the socket, unless that has ended. */
  sendControl(message: ControlMessage): void {
    if (this.target.connected) this.plainSend(message, undefined, true, undefined);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The other end may use its ring from now on. */
  receiveBy(traffic: RingTraffic): void {
    this.#traffic = traffic;
  }

  /** And so may this one. */
  sendByRing(): void {
    if (this.#traffic?.start()) {
      debug('%s: messages go through %s', this.name, this.#traffic.path);
    }
  }

  /** Goes on over the socket; nothing was sent by the rings. */
  giveUp(): void {
    this.#traffic?.close();
    this.#traffic = undefined;
  }

  #hook(isChild: boolean): void {
    const target = this.target;
    const { pipe } = this.internals;
    target._send = (message, handle, options, callback) => {
      // Node's own answers to handles, and what it sends for the second time, go as they are.
      if (typeof options === 'boolean' || this.#isResending) {
        return this.plainSend(message, handle, options, callback);
      }
      const send = this.#traffic?.send ?? this.plainSend;
      const result = send(message, handle, options, callback);
      this.#handshake?.passed?.();
      return result;
    };
    target._disconnect = () => this.#disconnect();
    Object.defineProperty(target, 'emit', {
      value: this.#emitter(isChild),
      writable: true,
      configurable: true,
      enumerable: false,
    });
    const { onread } = pipe;
    pipe.onread = bytes => {
      if (bytes) {
        this.#traffic?.collect();
        onread.call(pipe, bytes);
      } else {
        this.#socketEnded(() => onread.call(pipe));
      }
    };
  }

  /** Takes out what the two ends tell each other; no listener sees it. */
  #emitter(isChild: boolean): IpcTarget['emit'] {
    const target = this.target;
    // Looked up each time, as it would be without us: the module `domain` replaces it.
    const plainEmit = (args: [event: string | symbol, ...values: unknown[]]) =>
      (Object.getPrototypeOf(target) as IpcTarget).emit.apply(target, args);
    const early = isChild ? new EarlyMessages(plainEmit) : undefined;
    return (...args) => {
      if (args[0] === 'message') {
        this.#handshake?.passed?.();
        if (early?.hold(args)) return true;
      } else if (args[0] === 'newListener' && args[1] === 'message') {
        early?.listenerAdded();
      }
      if (args[0] !== 'internalMessage') return plainEmit(args);
      if (isControl(args[1])) {
        this.#received(args[1]);
        return true;
      }
      if (!isHandleAnswer(args[1])) return plainEmit(args);
      this.#isResending = true;
      try {
        return plainEmit(args);
      } finally {
        this.#isResending = false;
      }
    };
  }

  #received(message: ControlMessage): void {
    if (message.act === 'switch') this.#traffic?.switched();
    else this.#handshake?.received(message);
  }

  /** Node's `_disconnect`, once everything has been sent that was accepted. */
  #disconnect(): void {
    if (this.#traffic?.isWaiting) {
      this.#traffic.whenFlushed(() => {
        // Where Node waits for the answer to a handle, it calls this again.
        if (this.target._handleQueue === null && !this.#hasEnded) this.#disconnect();
      });
      return;
    }
    this.#traffic?.collect();
    this.#plainDisconnect();
    this.#end();
  }

  /** The socket ended: the peer has disconnected, or has died. First comes what is in the ring. */
  #socketEnded(proceed: () => void): void {
    const isDisconnecting = !this.target.connected && this.target.channel;
    this.#traffic?.stop();
    const isAfterMessages = this.#traffic?.collectRest() ?? false;
    this.#end();
    const end = () => {
      // A listener may have disconnected meanwhile, or this end was about to.
      if (isDisconnecting && this.target.channel) this.#plainDisconnect();
      else if (this.target.channel) proceed();
    };
    if (isAfterMessages) nextTick(end);
    else end();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#handshake?.ended();
    this.#handshake = undefined;
    this.#traffic?.close();
  }
}
