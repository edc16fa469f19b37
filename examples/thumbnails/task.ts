// What the pool's threads do. Also used without a pool, to compare.
import sharp from 'sharp';
import { payloadTask } from '../../src/transport/piscina/index.js';

// The pool's threads are the parallel part.
sharp.concurrency(1);

export const thumbnail = (image: Uint8Array, width: number): Promise<Buffer> =>
  sharp(image).resize({ width }).webp({ quality: 80 }).toBuffer();

export default payloadTask(({ image, width }: { image: Uint8Array; width: number }) =>
  thumbnail(image, width),
);
