import { checkOptions } from '../../native/arguments.js';
import { rangeCodec } from '../codec/codec.js';
import type { RangeCodec } from '../codec/types.js';
import {
  type ChannelCreateOptions,
  channelLimits,
  type ChannelOrigin,
  createRules,
} from './channel-options.js';
import type { MessageRings, RingsOptions } from './message-rings.js';

/**
 * What a channel is made of that is found by its handle. The same options do for both ends.
 *
 * @param take makes or opens the rings; called once all options are known to be right
 * @throws {ShmError} `ERR_INVALID_ARG`, `ERR_OUT_OF_RANGE`; what `take` throws
 */
export function ringParts<T>(
  operation: string,
  options: ChannelCreateOptions<T>,
  take: (options: RingsOptions) => MessageRings,
): [ends: MessageRings, codec: RangeCodec<T>, origin: ChannelOrigin] {
  checkOptions(operation, options, createRules);
  const limits = channelLimits(operation, options);
  const codec = rangeCodec(options.codec, limits.maxMessage, operation);
  const rings = take({ ...options, ...limits });
  return [rings, codec, { handle: rings.handle, limits }];
}
