/*
 * Handshakes by a peer that knows the format and lies in one place. Each case is generated from
 * its number, so that any of them can be made again: `node handshake.js from to`.
 */
import { randomBytes } from 'node:crypto';
import { unlinkSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { basename, join } from 'node:path';
import { Duplex } from 'node:stream';
import { ShmError } from '../../src/index.js';
import { streamKind } from '../../src/transport/conn/stream-rings.js';
import { acceptLink } from '../../src/transport/link/accept-link.js';
import { Deadline } from '../../src/transport/link/deadline.js';
import type { Link } from '../../src/transport/link/handshake.js';
import {
  encode,
  HandshakeKind,
  protocolVersion,
} from '../../src/transport/link/handshake-messages.js';
import { Opening } from '../../src/transport/link/open-link.js';
import { discard, makeRegion, type RingPair } from '../../src/transport/link/sharing.js';
import { random } from '../support/traffic.js';
import type { FuzzResult, Pick } from './support.js';

const kind = streamKind('park');
const capacity = 4096;
const patience = 2000;

/** What JSON can hold and nobody expects. */
const oddities: unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  4095,
  4096,
  5000,
  2 ** 31,
  2 ** 53,
  1e308,
  '',
  'x',
  '\0',
  '__proto__',
  '../../etc/passwd',
  '/dev/zero',
  `link-${'00'.repeat(12)}`,
  `link-${'00'.repeat(12)}\0`,
  'ab'.repeat(16),
  'x'.repeat(3000),
  '\u001b[31m',
  '\ud800',
  [],
  [[]],
  {},
  { toString: 1 },
  { toString: null, valueOf: 1 },
  { length: -1 },
  { then: 1 },
  { constructor: { name: 1 } },
  [4096],
  ['stream'],
  { capacity: 4096 },
  'stream',
  'channel of structured',
];

function oddity(pick: Pick): unknown {
  const one = oddities[pick(oddities.length)];
  if (pick(8) > 0) return one;
  return pick(2) === 0 ? [one, one] : { [String(pick(9))]: one, fallback: one };
}

/** A body with a lie in one place: of another value, absent, or something besides. */
function lieIn(body: Record<string, unknown>, pick: Pick): unknown {
  const keys = Object.keys(body);
  const key = keys[pick(keys.length)]!;
  const copy = { ...body };
  switch (pick(5)) {
    case 0:
      return Object.fromEntries(Object.entries(copy).filter(([name]) => name !== key));
    case 1:
      return oddity(pick);
    case 2:
      return {
        ...copy,
        [['fallback', 'early', 'confirm', 'offer', '__proto__', 'x'][pick(6)]!]: oddity(pick),
      };
    default: {
      const value = copy[key];
      const isObject = typeof value === 'object' && value !== null;
      copy[key] = isObject && pick(4) > 0 ? lieIn(value as typeof copy, pick) : oddity(pick);
      return copy;
    }
  }
}

/** A message with a lie in its body, its frame, or its bytes. */
function lie(of: HandshakeKind, body: Record<string, unknown>, pick: Pick): Buffer {
  const place = pick(10);
  let text = JSON.stringify(place < 7 ? lieIn(body, pick) : body) ?? 'undefined';
  if (place === 7) text = text.slice(0, pick(text.length));
  const json = Buffer.from(text).subarray(0, 65_535);
  const header = Buffer.from([
    ...Buffer.from('MMLK'),
    protocolVersion,
    of,
    json.length & 255,
    json.length >> 8,
  ]);
  if (place === 8) header[pick(8)] = pick(256);
  const bytes = Buffer.concat([header, json]);
  if (place === 9) bytes[pick(bytes.length)] = pick(256);
  return pick(16) === 0 ? Buffer.concat([bytes, bytes]) : bytes;
}

/** Whole or in pieces, and perhaps with nothing more to come. */
async function say(socket: Socket, bytes: Buffer, pick: Pick): Promise<void> {
  if (pick(4) === 0) {
    const cut = pick(bytes.length);
    socket.write(bytes.subarray(0, cut));
    await new Promise(resolve => setImmediate(resolve));
    socket.write(bytes.subarray(cut));
  } else {
    socket.write(bytes);
  }
}

/** One end of a pair of streams in memory, as a connected Unix socket is. */
class End extends Duplex {
  other!: End;

  constructor() {
    super({ allowHalfOpen: true });
    this.on('error', () => {});
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (!this.other.destroyed && !this.other.readableEnded) this.other.push(chunk);
    done();
  }

  override _final(done: () => void): void {
    if (!this.other.destroyed) this.other.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.writableFinished && !this.other.destroyed) this.other.push(null);
    done(error);
  }
}

function pair(): [Socket, Socket] {
  const [near, far] = [new End(), new End()];
  near.other = far;
  far.other = near;
  return [near, far] as unknown as [Socket, Socket];
}

/** Cases under way at one time: some of them wait for what never comes. */
const atOnce = 64;

/**
 * @returns how the honest side's handshakes ended, by code; `memory`, `socket`: it has a link
 * @throws where an honest side throws what is no ShmError, does not end, or takes too much
 */
export async function fuzzHandshakes(from: number, to: number): Promise<FuzzResult> {
  const outcomes: Record<string, number> = {};
  let next = from;
  const work = async () => {
    while (next < to) {
      const outcome = await fuzzOne(next++);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { cases: to - from, outcomes };
}

async function fuzzOne(number: number): Promise<string> {
  const pick = random(number + 1);
  const [near, far] = pair();
  const role = pick(2) === 0 ? fuzzListener : fuzzDialer;
  try {
    return await role(near, far, pick, process.env.MMAP_TRANSPORT_DIR!);
  } catch (error) {
    if (error instanceof ShmError) return error.code;
    throw new Error(`case ${number}`, { cause: error });
  } finally {
    near.destroy();
    far.destroy();
  }
}

/** The end of one honest handshake; what it made is given back. */
async function ending(link: Promise<Link<RingPair>>): Promise<string> {
  const { region, ends, fallbackReason } = await link;
  if (!region || !ends) {
    if (typeof fallbackReason !== 'string') throw new Error('no memory, and no reason');
    return 'socket';
  }
  if (region.bytes.length > 2 * 16_777_216 + 2048) throw new Error('it has mapped too much');
  discard({ region, ends });
  return 'memory';
}

/** A dialer lies; it may have made an honest region, or a file that is none. */
async function fuzzListener(
  near: Socket,
  far: Socket,
  pick: Pick,
  directory: string,
): Promise<string> {
  const nonce = randomBytes(16).toString('hex');
  const what = pick(8);
  const shared = what === 0 ? makeRegion(kind, capacity, directory, nonce) : undefined;
  const file = join(directory, `link-${randomBytes(12).toString('hex')}`);
  if (what === 1) writeFileSync(file, randomBytes(pick(12_000)), { mode: 0o600 });
  const name = basename(shared?.region.path ?? file);
  const offer = { name, capacity, nonce, ...(pick(2) === 0 && { directory }) };
  const hello = { content: 'stream', capacity, greeting: 'x', offer };
  const honest = Buffer.concat([
    encode(HandshakeKind.hello, pick(2) === 0 ? hello : { ...hello, offer: undefined }),
  ]);
  const deadline = new Deadline('accept', 'fuzz', patience);
  try {
    const end = ending(acceptLink(near, kind, { capacity }, deadline));
    end.catch(() => {});
    const step = pick(3);
    await say(far, step === 0 ? lie(HandshakeKind.hello, hello, pick) : honest, pick);
    if (step === 1) await say(far, lie(HandshakeKind.offer, offer, pick), pick);
    if (step === 2) {
      await say(far, encode(HandshakeKind.offer, offer), pick);
      await say(far, lie(HandshakeKind.confirm, { fallback: 'no' }, pick), pick);
    }
    if (pick(2) === 0) far.end();
    else far.resume().once('end', () => far.end());
    // One that is still waiting hears no more.
    setTimeout(() => far.end(), 20).unref();
    return await end;
  } finally {
    deadline.clear();
    if (shared) discard(shared);
    else if (what === 1) unlinkIfThere(file);
  }
}

/** A listener lies. */
async function fuzzDialer(
  near: Socket,
  far: Socket,
  pick: Pick,
  directory: string,
): Promise<string> {
  const deadline = new Deadline('dial', 'fuzz', patience);
  const opening = new Opening(kind, { capacity }, deadline);
  try {
    near.write(opening.hello(near));
    const end = opening.finish(near).then(link => link);
    end.catch(() => {});
    const ask = { capacity, directory };
    const start = { capacity, greeting: 1, nonce: 'ab'.repeat(16), confirm: pick(2) === 0 };
    const step = pick(3);
    if (step === 0) await say(far, lie(HandshakeKind.ask, ask, pick), pick);
    if (step === 1) await say(far, lie(HandshakeKind.start, start, pick), pick);
    if (step === 2) {
      await say(far, encode(HandshakeKind.ask, ask), pick);
      await say(far, lie(HandshakeKind.start, start, pick), pick);
    }
    if (pick(2) === 0) far.end();
    else far.resume().once('end', () => far.end());
    setTimeout(() => far.end(), 20).unref();
    const link = await end;
    if (link.ends) return 'memory';
    if (typeof link.fallbackReason !== 'string') throw new Error('no memory, and no reason');
    return 'socket';
  } finally {
    deadline.clear();
    opening.discard();
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
