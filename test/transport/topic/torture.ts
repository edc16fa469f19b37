import type { ChildProcess } from 'node:child_process';
import { Topic } from '../../../src/index.js';
import { message, sibling, start } from '../../support/processes.js';
import type { TortureResult } from './torture-reader.js';

const script = sibling(import.meta.url, './torture-reader.js');

/**
 * Publishes without a pause until each of the readers has thrown away so many copies.
 *
 * @param looks false: they do not look whether what they copied was overwritten
 */
export async function torture(
  capacity: number,
  discards: number,
  looks: boolean,
  readers = 1,
): Promise<TortureResult[]> {
  using topic = Topic.create<Uint8Array>(undefined, { capacity, codec: 'bytes' });
  const args = [JSON.stringify(topic.handle), String(discards), String(looks)];
  const children: ChildProcess[] = Array.from({ length: readers }, () => start(script, args));
  await Promise.all(children.map(child => message(child)));
  let results: TortureResult[] | undefined;
  void Promise.all(children.map(child => message<TortureResult>(child))).then(
    all => (results = all),
    () => (results = []),
  );
  const record = new Uint32Array(topic.maxLength / 4);
  const bytes = new Uint8Array(record.buffer);
  for (let number = 0; results === undefined;) {
    for (let i = 0; i < 200; i++) {
      // Of all lengths, so that headers lie where payloads did.
      const words = 1 + ((number * 7919) % record.length);
      record.fill(number++, 0, words);
      topic.publish(bytes.subarray(0, 4 * words));
    }
    await new Promise(resolve => setImmediate(resolve));
  }
  return results;
}
