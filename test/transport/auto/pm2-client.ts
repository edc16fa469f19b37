// Starts two workers by PM2, whose daemon inherits this environment, and says what passes between
// it and them: what they report through its bus, what it sends them, and whether that was shared.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const count = 300;

interface Packet {
  process: { pm_id: number };
  data: { at: number; isShared: boolean };
}

interface Pm2 {
  connect(done: () => void): void;
  start(options: object, done: (error?: Error) => void): void;
  launchBus(done: (error: Error | null, bus: NodeJS.EventEmitter) => void): void;
  sendDataToProcessId(id: number, packet: object, done: (error?: Error) => void): void;
  killDaemon(done: () => void): void;
  disconnect(): void;
}

function report(): void {
  let at = 0;
  process.on('message', () => {
    const isShared = readFileSync('/proc/self/maps', 'latin1').includes('/ring-');
    process.send!({ type: 'process:msg', data: { at: at++, isShared } });
  });
  process.send!('ready');
}

async function main(): Promise<void> {
  const pm2 = createRequire(import.meta.url)('pm2') as Pm2;
  await promisify(pm2.connect.bind(pm2))();
  try {
    const bus = await promisify(pm2.launchBus.bind(pm2))();
    const script = fileURLToPath(import.meta.url);
    const app = { name: 'app', script, args: 'worker', instances: 2, exec_mode: 'cluster' };
    await promisify(pm2.start.bind(pm2))({ ...app, wait_ready: true });
    const got: Record<number, number[]> = { 0: [], 1: [] };
    let shared = 0;
    const all = new Promise<void>(resolve => {
      bus.on('process:msg', ({ process: { pm_id: id }, data }: Packet) => {
        got[id]!.push(data.at);
        if (data.isShared) shared++;
        if (got[0]!.length + got[1]!.length === 2 * count) resolve();
      });
    });
    const send = promisify(pm2.sendDataToProcessId.bind(pm2));
    for (let at = 0; at < count; at++) {
      for (const id of [0, 1]) await send(id, { id, topic: 'next', data: {} });
    }
    await all;
    const inOrder = [0, 1].map(id => got[id]!.every((value, index) => value === index));
    console.log(JSON.stringify({ inOrder, isShared: shared > 0 }));
  } finally {
    await promisify(pm2.killDaemon.bind(pm2))();
    pm2.disconnect();
  }
}

if (process.argv[2] === 'worker') report();
else await main();
