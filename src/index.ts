export { ShmError, type ShmErrorCode } from './errors.js';
export type { Range } from './native/hold.js';
export { MapFile, type MapOptions, openFile } from './native/map-file.js';
export { MapMem, type MemOptions, openMem } from './native/map-mem.js';
export { Mapped } from './native/mapped.js';
export type { Advice } from './native/pages.js';
export { reap } from './native/segment.js';
export type { ReadStreamOptions, WriteStreamOptions } from './native/streams.js';
export type { MappingEvent, ReapEvent } from './native/trace.js';
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
export { Ring, type RingHandle, type RingOptions } from './transport/ring.js';
export type { RingStats, SideStats } from './transport/stats.js';
export type { WaitStrategy } from './transport/wait.js';
export { Conn, type ConnOptions } from './transport/conn/conn.js';
export type { OnRead } from './transport/conn/onread.js';
export { dial, type DialOptions } from './transport/conn/dial.js';
export { listen, type ListenOptions } from './transport/conn/listen.js';
export type { Address } from './transport/link/address.js';
export { Listener, type ListenerEvents } from './transport/link/listener.js';
export {
  dialChannel,
  type DialChannelOptions,
  listenChannel,
  type ListenChannelOptions,
} from './transport/messages/link.js';
export { Bus, type BusEvents, type BusOptions } from './transport/bus/bus.js';
export type { LeaveReason } from './transport/bus/peer.js';
export type { RequestOptions } from './transport/bus/requests.js';
