import { rangeCodec } from '../codec/codec.js';
import type { RangeCodec } from '../codec/types.js';
import type { Link } from '../link/handshake.js';
import type { LinkKind } from '../link/sharing.js';
import { Channel } from './channel.js';
import { MessageRings } from './message-rings.js';
import { type ChannelOptions, type ChannelOrigin, defaultCapacity } from './options.js';
import { SocketEnds } from './socket-ends.js';

/** Both sides have to mean the same by their bytes: the codec is part of the name. */
export function channelKind<T>({ codec, wait }: ChannelOptions<T>): LinkKind<MessageRings> {
  rangeCodec(codec); // throws for what is none
  return {
    name: `channel of ${typeof codec === 'object' ? "the user's codec" : (codec ?? 'structured')}`,
    defaultCapacity,
    create: (output, input, capacity) => MessageRings.create(output, input, capacity, wait),
    open: (output, input) => MessageRings.open(output, input, wait),
  };
}

/** The channel over a link, by rings or by its socket. */
export function linkedChannel<T>(
  { socket, region, ends, capacity, fallbackReason }: Link<MessageRings>,
  codec: RangeCodec<T>,
  origin: ChannelOrigin = {},
): Channel<T> {
  const messages = ends ? ends.own(region!, socket) : new SocketEnds(socket, capacity);
  return Channel.make<T>(messages, codec, { ...origin, fallbackReason });
}
