// Connects to itself, and ends when nothing keeps it alive; says what happened.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dial, listen } from '../../../src/index.js';
import { socketPath } from '../../support/platform.js';
import type { Connection } from './conn-pairs.js';

const [kind, does] = process.argv.slice(2) as ['memory' | 'socket' | 'net', string];
const path = socketPath(join(tmpdir(), `ref-peer-${process.pid}`));

async function open(): Promise<Connection[]> {
  if (kind === 'net') {
    const server = createServer({ pauseOnConnect: paused }).listen(path).unref();
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    const client = connect(path);
    if (paused) client.pause();
    const [other] = (await accepted) as [Connection];
    return [client, other];
  }
  const listener = (
    await listen(path, { sharedMemory: kind === 'memory', pauseOnConnect: paused })
  ).unref();
  const accepted = once(listener, 'connection');
  const client = await dial(path);
  if (paused) client.pause();
  const [other] = (await accepted) as [Connection];
  return [client, other];
}

/** Paused: neither end reads, as where `net` is told to pause before it has connected. */
const paused = does === 'paused';

const ends = await open();
if (process.platform !== 'win32') rmSync(path, { force: true }); // a pipe is no file
const words: string[] = [];
process.disconnect();
process.on('exit', () => process.stdout.write([...words, 'end'].join(' ')));
for (const end of ends) {
  if (!paused) end.resume();
  end.on('close', () => words.push('closed'));
  if (does !== 'ref' && !paused) end.unref();
}
if (does === 'again') {
  // During a read, and during a wait for one.
  ends[1]!.ref().once('data', () => ends[1]!.unref().ref());
  ends[0]!.ref().write('x');
  ends[0]!.unref();
}
if (does !== 'unref') {
  // Unreferenced: it comes only where the connections keep the process alive.
  setTimeout(() => {
    words.push('timer');
    ends[0]!.end();
  }, 200).unref();
}
