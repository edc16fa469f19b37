// node dist/examples/find-in-file/main.js FILE TEXT: where a text lies in a file of any
// size, without reading the file into memory.
import { openFile } from '../../src/index.js';

const [path, text] = process.argv.slice(2);
if (path === undefined || !text) {
  console.error('find-in-file: expected FILE TEXT');
  process.exit(2);
}

try {
  using file = openFile(path);
  file.advise('sequential');
  // A Buffer over the mapped pages: nothing is copied, and the search runs in place.
  const bytes = Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.length);
  let found = 0;
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) {
    console.log(at);
    found++;
  }
  process.exitCode = found > 0 ? 0 : 1;
} catch (error) {
  console.error(`find-in-file: ${(error as Error).message}`);
  process.exitCode = 2;
}
