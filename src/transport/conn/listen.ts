import type { Address } from '../link/address.js';
import { type LinkListenOptions, Listener } from '../link/listener.js';
import { Conn, type ConnOptions } from './conn.js';
import { checkOnRead } from './onread.js';
import { streamKind } from './shared-carrier.js';

export interface ListenOptions extends LinkListenOptions, ConnOptions {}

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
  checkOnRead('listen', options.onread);
  const content = streamKind(options.wait);
  const listener = await Listener.open(address, content, options, link => Conn.make(link, options));
  if (onConnection) listener.on('connection', onConnection);
  return listener;
}
