import { channels } from './channel.js';
import { cpp } from './cpp.js';
import { https } from './http.js';
import { postMessage } from './post-message.js';
import { processSend } from './process-send.js';
import { ringMany } from './ring-many.js';
import { rings } from './ring.js';
import type { ProgramTransport, Transport } from './transport.js';
import { streams } from './streams.js';

const transports = new Map<string, Transport | ProgramTransport>(
  [...rings, ...channels, ringMany, ...processSend, ...streams, ...https, postMessage, ...cpp].map(
    transport => [transport.name, transport],
  ),
);

export const transportNames: readonly string[] = [...transports.keys()];

/** @throws {RangeError} where there is none of that name */
export function transport(name: string): Transport | ProgramTransport {
  const found = transports.get(name);
  if (!found) throw new RangeError(`expected one of ${transportNames.join(', ')}; got ${name}`);
  return found;
}

export function isProgram(transport: Transport | ProgramTransport): transport is ProgramTransport {
  return 'arguments' in transport;
}
