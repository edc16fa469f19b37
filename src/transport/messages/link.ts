import { Channel, type ChannelOptions, defaultCapacity } from '../channel.js';
import { type RangeCodec, rangeCodec } from '../codec.js';
import type { Address } from '../link/address.js';
import { dialLink, type DialLinkOptions } from '../link/dial.js';
import type { Link } from '../link/handshake.js';
import { type LinkListenOptions, Listener } from '../link/listener.js';
import type { Content } from '../link/sharing.js';
import { RingEnds } from './ring-ends.js';
import { SocketEnds } from './socket-ends.js';

export type ListenChannelOptions<T> = LinkListenOptions & ChannelOptions<T>;
export type DialChannelOptions<T> = DialLinkOptions & ChannelOptions<T>;

/**
 * Listens for channels: each peer that {@link dialChannel}s is a `connection`.
 *
 * @param address as of `listen`
 * @throws {ShmError} as `listen`
 * @example
 * const listener = await listenChannel<Job>('/run/app/jobs.sock', channel => {
 *   channel.on('message', job => …);
 * });
 */
export async function listenChannel<T = unknown>(
  address: Address,
  options: ListenChannelOptions<T> | ((channel: Channel<T>) => void) = {},
  onConnection?: (channel: Channel<T>) => void,
): Promise<Listener<Channel<T>>> {
  if (typeof options === 'function') return listenChannel(address, {}, options);
  const content = channelContent(options);
  const connect = (link: Link<RingEnds>) => linkedChannel(link, rangeCodec(options.codec));
  const listener = await Listener.open(address, content, options, connect);
  if (onConnection) listener.on('connection', onConnection);
  return listener;
}

/**
 * Connects to a {@link listenChannel}er that speaks the same codec.
 *
 * The channel keeps the process alive until it is closed or `unref` is called. Where no
 * memory can be shared it goes over the socket: see its `transport`; `sendSync` and
 * `receiveSync` throw `ERR_UNSUPPORTED` then.
 *
 * @throws {ShmError} as `dial`
 */
export async function dialChannel<T = unknown>(
  address: Address,
  options: DialChannelOptions<T> = {},
): Promise<Channel<T>> {
  const link = await dialLink(address, channelContent(options), options);
  return linkedChannel(link, rangeCodec(options.codec));
}

/** @internal Both sides have to mean the same by their bytes: the codec is part of the name. */
export function channelContent<T>({ codec, wait }: ChannelOptions<T>): Content<RingEnds> {
  rangeCodec(codec); // throws for what is none
  return {
    name: `channel of ${typeof codec === 'object' ? "the user's codec" : (codec ?? 'structured')}`,
    defaultCapacity,
    create: (output, input, capacity) => RingEnds.create(output, input, capacity, wait),
    open: (output, input) => RingEnds.open(output, input, wait),
  };
}

/** @internal The channel over a link, by rings or by its socket. */
export function linkedChannel<T>(
  { socket, region, ends, capacity, fallbackReason }: Link<RingEnds>,
  codec: RangeCodec<T>,
): Channel<T> {
  const messages = ends ? ends.own(region!, socket) : new SocketEnds(socket, capacity);
  return new Channel<T>(messages, codec, { fallbackReason });
}
