import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { type MapFile, type MapMem, openFile, openMem, reap } from '../../src/index.js';
import {
  check,
  closes,
  leftovers,
  type Operation,
  OperationTable,
  type Place,
} from './operation.js';

const table = new OperationTable();
const { add } = table;

const text = 'what was there before\n';

/** A file of somebody else's, with content that has to stay. */
const anotherFile = {
  prepare({ path }: Place): string {
    writeFileSync(path('file'), text);
    return path('file');
  },
  dispose(name: string): void {
    const now = readFileSync(name, 'utf8');
    check(now.startsWith(text), 'the content of the file has changed');
    check(/^\0*$/.test(now.slice(text.length)), 'something was appended');
    rmSync(name);
  },
};

for (const [name, options] of Object.entries({
  read: {},
  'read, prefault': { prefault: true },
  'read, lock': { lock: true },
  'copy-on-write': { access: 'copy-on-write' },
  'read-write': { access: 'read-write' },
  'read-write, grown': { access: 'read-write', size: 10_000 },
  'read-write, grown, lock': { access: 'read-write', size: 10_000, lock: true },
  'read-write, create, there': { access: 'read-write', create: true, size: 10 },
} as const)) {
  add({
    name: `openFile: ${name}`,
    ...anotherFile,
    act: (file: string) => openFile(file, options),
    finish(file: MapFile) {
      check(file.bytes[0] === text.charCodeAt(0), 'other content');
      file.close();
    },
  });
}

for (const create of [true, 'exclusive'] as const) {
  add({
    name: `openFile: create ${create}, missing`,
    act: (_, { path }) =>
      openFile(path('new'), { access: 'read-write', create, size: 8192, lock: true }),
    finish(file, _, { path }) {
      check(file.length === 8192, 'another length');
      file.close();
      rmSync(path('new'));
    },
  });
}

/** A mapped file of which something is asked. */
function onFile(name: string, act: (file: MapFile) => unknown): void {
  add({
    name: `file.${name}`,
    prepare(place) {
      const path = anotherFile.prepare(place);
      return { path, file: openFile(path, { access: 'read-write', size: 16_384 }) };
    },
    act: ({ file }) => act(file),
    dispose({ path, file }) {
      file.close();
      anotherFile.dispose(path);
    },
  });
}

onFile('stat', file => file.stat());
onFile('sync', file => file.sync());
onFile('advise', file => file.advise('willneed'));
onFile('lock and unlock', file => {
  file.lock();
  file.unlock();
});
onFile('protect', file => {
  file.protect('read');
  file.protect('read-write');
});
onFile('resident', file => file.resident());
onFile('buffer', file => file.buffer);
onFile('createReadStream', async file => {
  const read = await buffer(file.createReadStream({ highWaterMark: 8192 }));
  check(read.length === 16_384, 'another length');
});
onFile('createWriteStream', async file => {
  const stream = file.createWriteStream({ start: 8192, flush: true });
  stream.end(Buffer.alloc(8192));
  await finished(stream);
});

add({
  name: 'file.close',
  prepare(place) {
    const path = anotherFile.prepare(place);
    return { path, file: openFile(path) };
  },
  act: ({ file }) => file.close(),
  dispose: ({ path }) => anotherFile.dispose(path),
  isOnce: true,
});

add({ name: 'openMem: new', act: () => openMem({ bytes: 8192 }), ...closes });
add({
  name: 'openMem: new, in a directory with leftovers',
  prepare: leftovers,
  act: () => openMem({ bytes: 8192 }),
  ...closes,
  dispose: () => void reap(),
});
for (const access of ['read', 'read-write'] as const) {
  add({
    name: `openMem: by its id, ${access}`,
    prepare: () => openMem({ bytes: 8192 }),
    act: (mem: MapMem) => openMem(mem.id, { access }),
    ...closes,
    dispose: (mem: MapMem) => mem.close(),
  });
}
add({
  name: 'openMem: of a buffer',
  prepare: () => openMem({ bytes: 8192 }),
  act: (mem: MapMem) => openMem(mem.buffer),
  ...closes,
  dispose: (mem: MapMem) => mem.close(),
});
add({
  name: 'mem.close',
  prepare: () => openMem({ bytes: 8192 }),
  act: mem => mem.close(),
  isOnce: true,
});

add({ name: 'reap', prepare: leftovers, act: () => reap(), dispose: () => void reap() });
add({
  name: 'reap: nothing to do',
  prepare: () => openMem(),
  act: () => reap(),
  dispose(mem: MapMem, { regions }) {
    check(statSync(join(regions, `mem-${mem.id}`)).isFile(), 'it removed what is in use');
    mem.close();
  },
});

export const memoryOperations: readonly Operation[] = table.all;
