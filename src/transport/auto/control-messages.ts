/*
 * What the two ends tell each other over Node's socket, as internal messages, which no program sees.
 *
 *   child                                  parent
 *     | -- hello -----------------------------> |   after some messages have passed
 *     | <- welcome ---------------------------- |   both load what is needed
 *     | <- offer (path, mode) ----------------- |   it has made a region
 *     | -- open ------------------------------> |   the child has it open, its name is gone
 *     |    or refuse (reason)                   |   the region is gone
 *     | -- switch ----------------------------> |   what comes next is in the ring …
 *     | <- switch ----------------------------- |   … in each direction by itself
 *
 * The parent makes the region: whatever becomes of a child, its parent removes what was offered to
 * it. See docs/adr/0061-process-send-through-shared-memory.md.
 */

const cmd = 'NODE_MMAP_TRANSPORT';

/** Of this folder's protocol. Ends of different versions stay with the socket. */
export const protocolVersion = 1;

export type SerializationMode = 'json' | 'advanced';

export type ControlMessage = { cmd: typeof cmd } & (
  | { act: 'hello'; version: number }
  | { act: 'welcome' }
  | { act: 'offer'; path: string; mode: SerializationMode }
  | { act: 'open' }
  | { act: 'refuse'; reason: string }
  | { act: 'switch' }
);

export const hello = { cmd, act: 'hello', version: protocolVersion } as const;
export const welcome = { cmd, act: 'welcome' } as const;
export const opened = { cmd, act: 'open' } as const;
export const switched = { cmd, act: 'switch' } as const;
export const offer = (path: string, mode: SerializationMode) =>
  ({ cmd, act: 'offer', path, mode }) as const;
export const refusal = (reason: string) => ({ cmd, act: 'refuse', reason }) as const;

export function isControl(message: unknown): message is ControlMessage {
  return typeof message === 'object' && message !== null && 'cmd' in message && message.cmd === cmd;
}

/** After one of these Node sends again what has waited for it. */
export function isHandleAnswer(message: unknown): boolean {
  if (typeof message !== 'object' || message === null || !('cmd' in message)) return false;
  return message.cmd === 'NODE_HANDLE_ACK' || message.cmd === 'NODE_HANDLE_NACK';
}
