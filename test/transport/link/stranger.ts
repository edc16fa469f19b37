// Many strangers at one listener, until it is told to stop: `node stranger.js port count`.
// It needs nothing but Node, so that any user can run it.
import { connect, type Socket } from 'node:net';

const [port, count] = process.argv.slice(2).map(Number) as [number, number];
const kinds = ['silent', 'half', 'slow', 'lying', 'vanishing'] as const;
const told: Record<(typeof kinds)[number], number> = {
  silent: 0,
  half: 0,
  slow: 0,
  lying: 0,
  vanishing: 0,
};

function message(kind: number, body: object): Buffer {
  const json = Buffer.from(JSON.stringify(body));
  return Buffer.concat([
    Buffer.from([...Buffer.from('MMLK'), 2, kind, json.length & 255, json.length >> 8]),
    json,
  ]);
}

const nonce = 'ab'.repeat(16);
const name = (i: number) => `link-${i.toString(16).padStart(24, '0')}`;
const capacity = 16 << 20;
const hello = message(1, { content: 'stream', capacity });

function meet(index: number): void {
  const kind = kinds[index % kinds.length]!;
  told[kind]++;
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.on('connect', () => talk(socket, kind, index));
  socket.on('close', () => setTimeout(meet, 20, index));
}

function talk(socket: Socket, kind: (typeof kinds)[number], index: number): void {
  if (kind === 'half') socket.write(hello.subarray(0, 1 + (index % hello.length)));
  if (kind === 'slow') {
    let at = 0;
    const drip = setInterval(() => socket.write(hello.subarray(at, ++at)), 10);
    socket.on('close', () => clearInterval(drip));
  }
  if (kind === 'lying') {
    // It offers what is not there, and again where it is asked for another one; then silence.
    const offer = { name: name(index), capacity, nonce };
    socket.write(message(1, { content: 'stream', capacity, offer }));
    socket.once('data', () => socket.write(message(3, { ...offer, capacity: 4096 })));
  }
  if (kind === 'vanishing') {
    socket.write(hello, () => setTimeout(() => socket.destroy(), index % 10));
  }
}

for (let i = 0; i < count; i++) meet(i);
process.stdout.write(`uid ${process.getuid?.()}\n`);
process.stdin.on('end', () => {
  process.stdout.write(JSON.stringify(told), () => process.exit());
});
process.stdin.resume();
