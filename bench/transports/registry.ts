import { buses } from './bus.js';
import { channels } from './channel.js';
import { cpp } from './cpp.js';
import { https } from './http.js';
import { postMessage } from './post-message.js';
import { processSend } from './process-send.js';
import { relays } from './relay.js';
import { ringMany } from './ring-many.js';
import { rings } from './ring.js';
import type { ClusterTransport, ProgramTransport, Transport } from './transport.js';
import { streams } from './streams.js';

type AnyTransport = Transport | ProgramTransport | ClusterTransport;

const pairs = [...rings, ...channels, ringMany, ...processSend, ...streams, ...https, postMessage];

const transports = new Map<string, AnyTransport>(
  [...pairs, ...cpp, ...buses, ...relays].map(transport => [transport.name, transport]),
);

export const transportNames: readonly string[] = [...transports.keys()];

/** @throws {RangeError} where there is none of that name */
export function transport(name: string): AnyTransport {
  const found = transports.get(name);
  if (!found) throw new RangeError(`expected one of ${transportNames.join(', ')}; got ${name}`);
  return found;
}

/** One whose two sides are started by bench/trial-process.ts. @throws {RangeError} */
export function pairTransport(name: string): Transport {
  const found = transport(name);
  if (!isProgram(found) && !isCluster(found)) return found;
  throw new RangeError(`${name} brings its own processes`);
}

export function isProgram(transport: AnyTransport): transport is ProgramTransport {
  return 'arguments' in transport;
}

export function isCluster(transport: AnyTransport): transport is ClusterTransport {
  return 'workers' in transport;
}
