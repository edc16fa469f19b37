// Tries everything that opens something, in a folder, and prints what became of it as JSON. Started
// by permission.test.ts with some of Node's permissions.
import { once } from 'node:events';
import { join } from 'node:path';

const folder = process.argv[2]!;
const results: Record<string, string> = {};

async function attempt(name: string, work: () => unknown): Promise<void> {
  try {
    const result = await work();
    results[name] = typeof result === 'string' ? result : 'ok';
  } catch (error) {
    const { name: kind, code } = error as NodeJS.ErrnoException;
    results[name] = `${kind} ${code}`;
  }
}

let loaded: typeof import('../../../src/index.js') | undefined;
await attempt('import', async () => {
  loaded = await import('../../../src/index.js');
});
if (loaded) {
  const { Bus, dial, listen, openFile, openMem, reap, Ring } = loaded;

  await attempt('ring', () => Ring.create({ capacity: 4096 }).close());
  await attempt('kept ring', () =>
    Ring.create({ capacity: 4096, path: join(folder, 'kept') }).close(),
  );
  await attempt('memory', () => openMem({ bytes: 4096 }).close());
  await attempt('file', () =>
    openFile(join(folder, 'file'), { access: 'read-write', create: true, size: 4096 }).close(),
  );

  const talk = async (address: string | { port: number; host: string }) => {
    const listener = await listen(address, conn => conn.resume());
    try {
      const at = listener.address();
      const conn = await dial(
        typeof at === 'object' && at ? { port: at.port, host: at.address } : address,
      );
      const { transport } = conn;
      conn.destroy();
      return transport;
    } finally {
      await listener.close();
    }
  };
  await attempt('Unix socket', () => talk(join(folder, 'socket')));
  await attempt('port', () => talk({ port: 0, host: '127.0.0.1' }));
  await attempt('bus', async () => {
    const bus = await Bus.join('permission', { id: 'one' });
    try {
      const other = await Bus.join('permission', { id: 'two' });
      const message = once(other, 'message');
      await bus.ready('two').catch(() => {});
      bus.send('two', 'hello');
      const [text] = (await message) as [string];
      await other.close();
      return text;
    } finally {
      await bus.close();
    }
  });
  await attempt('reap', () => void reap());
}
console.log(JSON.stringify(results));
process.exit();
