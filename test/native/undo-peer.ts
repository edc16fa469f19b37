import { openFile } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';

/** Says so when it reserves the blocks of a new file, and never gets any further. */
const reserve = addon.reserve.bind(addon);
addon.reserve = (fd, length) => {
  const reserved = reserve(fd, length);
  process.send!('reserving');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  return reserved;
};
openFile(process.argv[2]!, { access: 'read-write', create: true, size: 1 << 20 });
