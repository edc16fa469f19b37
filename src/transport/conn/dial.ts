import type { Address } from '../link/address.js';
import { dialLink, type DialLinkOptions } from '../link/dial-link.js';
import { Conn, type ConnOptions } from './conn.js';
import { checkOnRead } from './onread.js';
import { streamKind } from './shared-carrier.js';

export interface DialOptions extends DialLinkOptions, ConnOptions {
  /** Gives up with the signal's reason; afterwards it destroys the connection. */
  signal?: AbortSignal;
}

/**
 * Connects to a {@link listen}er.
 *
 * @returns the connection, ready to use
 * @throws {ShmError} `ECONNREFUSED`, `ENOENT` and other errno names where nobody listens;
 *   `ETIMEDOUT`; `ERR_PROTOCOL` where something else listens, `ERR_VERSION`; the signal's
 *   reason. Nothing is left then.
 * @example
 * const conn = await dial('/run/app/shm.sock');
 * conn.end('hello');
 * for await (const chunk of conn) …
 */
export async function dial(address: Address, options: DialOptions = {}): Promise<Conn> {
  const { signal, onread } = options;
  checkOnRead('dial', onread);
  const link = await dialLink(address, streamKind(options.wait), options);
  const conn = Conn.make(link, options);
  const abort = () => conn.destroy(signal!.reason as Error);
  signal?.addEventListener('abort', abort, { once: true });
  conn.once('close', () => signal?.removeEventListener('abort', abort));
  return conn;
}
