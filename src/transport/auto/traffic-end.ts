import type { ListenerScope } from '../ring/listener-scope.js';
import type { Control, Internals, IpcTarget, Send } from './node-ipc.js';

/** The end of an IPC channel whose messages go through rings. */
export interface TrafficEnd {
  readonly target: IpcTarget;
  readonly internals: Internals;
  /** Node's `_send`. */
  readonly plainSend: Send;
  readonly scope: ListenerScope;
  /** Of a child: keeps the process alive while something waits; a parent is by its child. */
  readonly control: Control | undefined;
}
