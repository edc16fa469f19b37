import { rangeCodec } from '../codec/codec.js';
import type { RangeCodec } from '../codec/types.js';
import type { Link } from '../link/handshake.js';
import type { LinkKind } from '../link/sharing.js';
import { Channel } from './channel.js';
import { MessageRings } from './message-rings.js';
import {
  type ChannelLimits,
  type ChannelOptions,
  type ChannelOrigin,
  defaultCapacity,
  defaultLimits,
} from './channel-options.js';
import { SocketEnds } from './socket-ends.js';

/** Both sides have to mean the same by their bytes: the codec is part of the name. */
export function channelKind<T>(
  { codec, wait }: ChannelOptions<T>,
  { maxMessage }: ChannelLimits = defaultLimits,
): LinkKind<MessageRings> {
  rangeCodec(codec); // throws for what is none
  const use = { wait, maxMessage };
  return {
    name: `channel of ${typeof codec === 'object' ? "the user's codec" : (codec ?? 'structured')}`,
    defaultCapacity,
    create: (output, input, capacity) => MessageRings.create(output, input, capacity, use),
    open: (output, input) => MessageRings.open(output, input, use),
  };
}

/** The channel over a link, by rings or by its socket. */
export function linkedChannel<T>(
  { socket, region, ends, capacity, fallbackReason }: Link<MessageRings>,
  codec: RangeCodec<T>,
  origin: ChannelOrigin = {},
): Channel<T> {
  const { limits = defaultLimits } = origin;
  const messages = ends ? ends.own(region!, socket) : new SocketEnds(socket, capacity, limits);
  return Channel.make<T>(messages, codec, { ...origin, fallbackReason });
}
