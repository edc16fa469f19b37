import { checkOptions } from '../../native/arguments.js';
import { rangeCodec } from '../codec/codec.js';
import type { Address } from '../link/address.js';
import type { Link } from '../link/handshake.js';
import { checkCallback, type LinkListenOptions, Listener, listenRules } from '../link/listener.js';
import type { Channel } from './channel.js';
import { channelLimits, type ChannelOptions, channelRules } from './channel-options.js';
import { channelKind, linkedChannel } from './link-kind.js';
import type { MessageRings } from './message-rings.js';

/** Options of {@link listenChannel}. */
export type ListenChannelOptions<T> = LinkListenOptions & ChannelOptions<T>;

const rules = { ...listenRules, ...channelRules };

/**
 * Listens for channels: each peer that {@link dialChannel}s is a `connection`.
 *
 * @param address as of `listen`
 * @throws {ShmError} as `listen`
 * @example
 * const listener = await listenChannel<Job>('/run/app/jobs.sock', channel => {
 *   channel.on('message', job => console.log(job));
 * });
 */
export async function listenChannel<T = unknown>(
  address: Address,
  options: ListenChannelOptions<T> | ((channel: Channel<T>) => void) = {},
  onConnection?: (channel: Channel<T>) => void,
): Promise<Listener<Channel<T>>> {
  if (typeof options === 'function') return listenChannel(address, {}, options);
  checkOptions('listenChannel', options, rules);
  checkCallback('listenChannel', onConnection);
  const limits = channelLimits('listenChannel', options);
  const kind = channelKind(options, limits);
  const connect = (link: Link<MessageRings>, closed: () => void) =>
    linkedChannel(link, rangeCodec(options.codec, limits.maxMessage), { limits, closed });
  const listener = await Listener.open(address, kind, options, connect);
  if (onConnection) listener.on('connection', onConnection);
  return listener;
}
