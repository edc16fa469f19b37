export { ShmError, type ShmErrorCode } from './errors.js';
export { Mapped, MapFile, MapMem, openFile, openMem } from './native/mapped.js';
export { reap } from './native/region.js';
export { Consumer, type Loan, type RecordHandler } from './transport/consumer.js';
export { Producer } from './transport/producer.js';
export { Ring, type RingHandle, type RingOptions } from './transport/ring.js';
