import { checkOptions, type Rule } from '../../native/arguments.js';
import type { Address } from '../link/address.js';
import { dialLink, type DialLinkOptions, dialRules } from '../link/dial-link.js';
import { Conn, type ConnOptions, connRules } from './conn.js';
import { streamKind } from './stream-rings.js';

export interface DialOptions extends DialLinkOptions, ConnOptions {
  /** Gives up with the signal's reason; afterwards it destroys the connection. */
  signal?: AbortSignal;
}

const rules = { ...dialRules, ...connRules } satisfies Record<keyof DialOptions, Rule>;

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
 * for await (const chunk of conn) process.stdout.write(chunk);
 */
export async function dial(address: Address, options: DialOptions = {}): Promise<Conn> {
  checkOptions('dial', options, rules);
  const { signal } = options;
  const link = await dialLink(address, streamKind(options.wait), options);
  const abort = () => conn.destroy(signal!.reason as Error);
  const closed = () => signal?.removeEventListener('abort', abort);
  const conn = Conn.make(link, options, { reads: 'soon', closed });
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  return conn;
}
