export { ShmError, type ShmErrorCode } from './errors.js';
export { Mapped, MapFile, MapMem, openFile, openMem } from './native/mapped.js';
export { reap } from './native/region.js';
export {
  Channel,
  type ChannelCreateOptions,
  type ChannelEvents,
  type ChannelHandle,
  type ChannelOptions,
} from './transport/channel.js';
export type { Codec, CodecOption } from './transport/codec.js';
export { Consumer, type Loan, type RecordHandler } from './transport/consumer.js';
export { Producer, type SideOptions } from './transport/producer.js';
export type { WaitOptions } from './transport/requests.js';
export {
  Ring,
  type RingHandle,
  type RingOptions,
  type RingStats,
  type SideStats,
} from './transport/ring.js';
export type { WaitStrategy } from './transport/wait.js';
