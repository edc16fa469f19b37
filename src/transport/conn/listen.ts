import { aBoolean, checkOptions, type Rule } from '../../native/arguments.js';
import type { Address } from '../link/address.js';
import { checkCallback, type LinkListenOptions, Listener, listenRules } from '../link/listener.js';
import { Conn, type ConnOptions, connRules } from './conn.js';
import { streamKind } from './stream-rings.js';

export interface ListenOptions extends LinkListenOptions, ConnOptions {
  /**
   * Connections begin paused, and read nothing before `resume()`; as of `net.createServer`.
   * @default false
   */
  pauseOnConnect?: boolean;
}

const rules = { ...listenRules, ...connRules, pauseOnConnect: aBoolean } satisfies Record<
  keyof ListenOptions,
  Rule
>;

/**
 * Listens for connections, as a `net.Server` does.
 *
 * @param address a path, where a Unix socket is made (on Windows, the name of a pipe); or a
 *   TCP port, 0 for a free one. A socket that a killed process left behind is replaced.
 * @throws {ShmError} `EADDRINUSE`, `EACCES` and other errno names; `ERR_INVALID_ARG`,
 *   `ERR_OUT_OF_RANGE`. Nothing is left then.
 * @example
 * const listener = await listen('/run/app/shm.sock', conn => conn.pipe(conn));
 */
export async function listen(
  address: Address,
  options: ListenOptions | ((conn: Conn) => void) = {},
  onConnection?: (conn: Conn) => void,
): Promise<Listener<Conn>> {
  if (typeof options === 'function') return listen(address, {}, options);
  checkOptions('listen', options, rules);
  checkCallback('listen', onConnection);
  const kind = streamKind(options.wait);
  const reads = options.pauseOnConnect ? 'paused' : 'now';
  const listener = await Listener.open(address, kind, options, (link, closed) =>
    Conn.make(link, options, { reads, closed }),
  );
  if (onConnection) listener.on('connection', onConnection);
  return listener;
}
