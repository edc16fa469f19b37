import { ShmError, Topic, type TopicHandle } from '../../../src/index.js';
import { TopicReader } from '../../../src/transport/topic/reader.js';

/*
 * Reads a topic whose publisher laps it all the time. Each record is filled with its number: one that
 * is made of two shows. Without the look after each copy there are such, which shows that this finds
 * them.
 */

export interface TortureResult {
  /** Records that counted. */
  read: number;
  missed: number;
  /** Copies that were thrown away. */
  discarded: number;
  /** Records that were made of two, or had the wrong number. */
  torn: number;
  errors: string[];
}

/** Reads until so many copies were thrown away, or something was torn, or the publisher has left. */
export function torture(handle: TopicHandle, discards: number, looks: boolean): TortureResult {
  if (!looks) TopicReader.prototype.isLapped = () => false;
  const topic = Topic.open<Buffer>(handle, { codec: 'bytes' });
  const subscription = topic.subscribe({ wait: 'busy', from: 'oldest' });
  const result: TortureResult = { read: 0, missed: 0, discarded: 0, torn: 0, errors: [] };
  let expected = -1;
  subscription.on('gap', ({ records }) => {
    result.missed += records!;
    if (expected >= 0) expected += records!;
  });
  try {
    while (result.torn === 0 && subscription.discarded < discards) {
      const record = subscription.readSync(5000);
      if (record === undefined) break;
      result.read++;
      const number = record.readUInt32LE(0);
      if (expected >= 0 && number !== expected) result.torn++;
      expected = number + 1;
      const words = new Uint32Array(record.buffer, record.byteOffset, record.length / 4);
      if (words.some(word => word !== number)) result.torn++;
    }
  } catch (error) {
    result.errors.push(error instanceof ShmError ? error.message : String(error));
  }
  result.discarded = subscription.discarded;
  topic.close();
  return result;
}

if (process.argv[2] !== undefined && process.send) {
  const [handle, discards, looks] = process.argv.slice(2) as [string, string, string];
  process.send('ready');
  const options = JSON.parse(handle) as TopicHandle;
  process.send(torture(options, Number(discards), looks === 'true'), () => process.exit());
}
