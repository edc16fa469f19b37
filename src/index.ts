/**
 * Rings, channels, connections and buses in memory that processes share; mapped files.
 *
 * @category Reference
 * @module mmap-transport
 */
export { ShmError, type ShmErrorCode } from './errors.js';
export type { Range } from './native/mapped-view.js';
export { MapFile, openFile } from './native/map-file.js';
export type { MapOptions } from './native/map-options.js';
export { MapMem, type MemOptions, openMem } from './native/map-mem.js';
export { Mapped } from './native/mapped.js';
export type { FilePath } from './native/paths.js';
export type { Advice, PageAccess } from './native/pages.js';
export { reap } from './native/reap.js';
export type { ReadStreamOptions, WriteStreamOptions } from './native/streams.js';
export type { MappingEvent, ReapEvent } from './native/trace.js';
export { Channel } from './transport/channel/channel.js';
export {
  type ChannelCreateOptions,
  type ChannelEvents,
  type ChannelHandle,
  type ChannelOptions,
} from './transport/channel/channel-options.js';
export type { Codec, CodecOption } from './transport/codec/types.js';
export { Consumer } from './transport/ring/consumer.js';
export type { BorrowedRecord, RecordHandler } from './transport/ring/record-handlers.js';
export { Producer } from './transport/ring/producer.js';
export type { RoleOptions } from './transport/ring/role-options.js';
export type { WaitOptions } from './transport/ring/wait-queue.js';
export { Ring, type RingHandle, type RingOptions } from './transport/ring/ring.js';
export type { RingStats, RoleStats } from './transport/ring/stats.js';
export type { WaitStrategy } from './transport/ring/wait-strategy.js';
export { Topic } from './transport/topic/topic.js';
export { Subscription } from './transport/topic/subscription.js';
export type { Merged } from './transport/topic/merge.js';
export type {
  EndReason,
  SubscribeOptions,
  SubscriptionEvents,
  TopicCreateOptions,
  TopicHandle,
  TopicOptions,
} from './transport/topic/options.js';
export type { From, Gap } from './transport/topic/reader.js';
export type { TopicReaderStats, TopicStats } from './transport/topic/stats.js';
export { Conn, type ConnOptions } from './transport/conn/conn.js';
export type { OnRead } from './transport/conn/onread.js';
export { dial, type DialOptions } from './transport/conn/dial.js';
export { listen, type ListenOptions } from './transport/conn/listen.js';
export type { Address } from './transport/link/address.js';
export type { DialLinkOptions } from './transport/link/dial-link.js';
export {
  type DropData,
  type LinkListenOptions,
  Listener,
  type ListenerEvents,
} from './transport/link/listener.js';
export type { DropReason, HandshakeLimits } from './transport/link/admission.js';
export { dialChannel, type DialChannelOptions } from './transport/channel/dial-channel.js';
export { listenChannel, type ListenChannelOptions } from './transport/channel/listen-channel.js';
export { Bus } from './transport/bus/bus.js';
export type {
  BusEvents,
  BusOptions,
  BusStats,
  LeaveReason,
  PeerStats,
  RequestHandler,
  RequestOptions,
  Route,
} from './transport/bus/bus-options.js';
