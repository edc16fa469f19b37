import { checkOptions } from '../../native/arguments.js';
import { rangeCodec } from '../codec/codec.js';
import type { Address } from '../link/address.js';
import { dialLink, type DialLinkOptions, dialRules } from '../link/dial-link.js';
import type { Channel } from './channel.js';
import { channelLimits, type ChannelOptions, channelRules } from './channel-options.js';
import { channelKind, linkedChannel } from './link-kind.js';

/** Options of {@link dialChannel}. */
export type DialChannelOptions<T> = DialLinkOptions & ChannelOptions<T>;

const rules = { ...dialRules, ...channelRules };

/**
 * Connects to a {@link listenChannel}er that speaks the same codec.
 *
 * The channel keeps the process alive until it is closed or `unref` is called. Where no
 * memory can be shared it goes over the socket: see its `transport`; `sendSync` and
 * `receiveSync` throw `ERR_UNSUPPORTED` then.
 *
 * @throws {ShmError} as `dial`
 * @example
 * await using channel = await dialChannel<Job>('/run/app/jobs.sock');
 * while (!channel.send(job)) await channel.ready();
 */
export async function dialChannel<T = unknown>(
  address: Address,
  options: DialChannelOptions<T> = {},
): Promise<Channel<T>> {
  checkOptions('dialChannel', options, rules);
  const limits = channelLimits('dialChannel', options);
  const link = await dialLink(address, channelKind(options, limits), options);
  return linkedChannel(link, rangeCodec(options.codec, limits.maxMessage), { limits });
}
