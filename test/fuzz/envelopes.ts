/*
 * Envelopes of a bus by a peer that knows the format and lies in one place. Each case is made from
 * its number. It is decoded alone first; then a bus gets it, while two others of that bus talk.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Bus } from '../../src/index.js';
import { type Envelope, envelopeCodec, EnvelopeKind } from '../../src/transport/bus/envelope.js';
import { PeerDirectory } from '../../src/transport/bus/peer-directory.js';
import type { Channel } from '../../src/transport/channel/channel.js';
import { channelKind, linkedChannel } from '../../src/transport/channel/link-kind.js';
import type { RangeCodec } from '../../src/transport/codec/types.js';
import { dialLink } from '../../src/transport/link/dial-link.js';
import { random } from '../support/traffic.js';
import { PlainDraft, writeOdd } from './plain-draft.js';
import { type FuzzResult, oneOf, type Pick, Tally, Watchdog } from './support.js';
import { checkSize, decodeTwice, lyingValue } from './values.js';

/** Bytes as they are. */
const raw: RangeCodec<Uint8Array> = {
  inPlace: 0,
  encodeInto: value => value,
  encode: value => value,
  decode: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)),
};

const kinds = Object.values(EnvelopeKind);
const prefixBytes = 8;

const texts = [
  ...['{"name":"Error","message":"no"}', '{"name":"E","message":"","code":"E_NO"}'],
  ...['{"name":"E","message":"","code":1e999}', '{"__proto__":{"name":"x","message":"y"}}'],
  ...['null', '[]', '7', '"x"', '{}', '{"name":1,"message":"x"}', '{"name":"x"}', '', '{'],
  ...['{"name":"x","message":"x","code":{}}', '{"name":"x","message":["x"]}', '\ufeff{}'],
  `{"name":"${'n'.repeat(500)}","message":"${'\\u0000'.repeat(500)}"}`,
  '['.repeat(5000),
];

/** The bytes of an envelope with a lie in its kind, its number or its value. */
function lyingEnvelope(pick: Pick): Buffer {
  const kind = oneOf(kinds, pick);
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32LE(kind, 0);
  prefix.writeUInt32LE(pick(2) === 0 ? pick(2 ** 32) : pick(40), 4);
  if (pick(3) > 0) {
    const body =
      kind === EnvelopeKind.failure ? Buffer.from(oneOf(texts, pick)) : lyingValue(pick).bytes;
    return Buffer.concat([prefix, body]);
  }
  const value = new PlainDraft(pick, false).honest;
  if (pick(4) === 0) return prefix.subarray(0, pick(prefixBytes + 1));
  writeOdd(prefix, 4 * pick(2), 4, pick);
  return Buffer.concat([prefix, value]);
}

function decodeAlone(bytes: Buffer): string {
  return decodeTwice<Envelope>(
    () => envelopeCodec(undefined),
    bytes,
    ({ kind, id, value }) => {
      if (!kinds.includes(kind) || id !== id >>> 0) throw new Error(`kind ${kind}, id ${id}`);
      checkSize(value, bytes.length);
    },
  );
}

function isDecodable(codec: RangeCodec<Envelope>, bytes: Buffer): boolean {
  try {
    codec.decode(bytes, 0, bytes.length);
    return true;
  } catch {
    return false;
  }
}

const capacity = 65_536;

/** A bus, a friend of it, and a peer whose every message has a lie in it. */
class HostileBus {
  readonly #name = `fuzz ${randomUUID()}`;
  readonly #codes = new Set<string>();
  #victim!: Bus;
  #friend!: Bus;
  #address = '';
  #greeting: object = {};
  #presence!: Channel<Uint8Array>;
  #link: Channel<Uint8Array> | undefined;
  /** Decodes what went over the link: a shape that one message tells is known to later ones. */
  #mirror = envelopeCodec(undefined);
  #number = 0;
  /** Messages and requests that can be decoded, of the liar. */
  #sent = 0;
  #received = 0;
  links = 0;

  async open(): Promise<void> {
    this.#victim = await this.#join('victim');
    const place = new PeerDirectory(this.#name, undefined);
    this.#address = place.address(place.others()[0]);
    this.#friend = await this.#join('friend');
    this.#greeting = { id: 'liar', instance: randomBytes(6).toString('hex'), capacity };
    const joined = once(this.#victim, 'join');
    this.#presence = await this.#dial('presence', false);
    await joined;
  }

  async #join(id: string): Promise<Bus> {
    const bus = await Bus.join(this.#name, { id, capacity });
    const received = (value: unknown, from: string) => {
      if (from === 'liar') this.#received++;
      return value;
    };
    bus.on('message', received);
    bus.onRequest(received);
    bus.on('error', (error: NodeJS.ErrnoException) => this.#codes.add(String(error.code)));
    return bus;
  }

  async #dial(purpose: string, sharedMemory: boolean): Promise<Channel<Uint8Array>> {
    const { name, ...rest } = channelKind({});
    const kind = { ...rest, name: `bus, ${name}` };
    const greeting = { ...this.#greeting, purpose };
    const link = await dialLink(this.#address, kind, { greeting, sharedMemory, capacity });
    return linkedChannel(link, raw)
      .on('error', () => {})
      .on('message', () => {});
  }

  /**
   * What can be decoded after all that went over the link must arrive; else the link to the victim
   * is broken by it.
   *
   * @returns whether it could be decoded
   */
  async send(bytes: Buffer): Promise<boolean> {
    for (;;) {
      if (!this.#link || this.#link.closed) {
        this.links++;
        this.#link = await this.#dial('link', this.links % 8 > 0);
        this.#mirror = envelopeCodec(undefined);
      }
      try {
        if (this.#link.send(bytes)) break;
        await this.#link.ready();
      } catch {
        // The victim has closed it.
        await this.#link.close();
      }
    }
    const isSound = isDecodable(this.#mirror, bytes);
    if (isSound && bytes[0]! <= EnvelopeKind.request) this.#sent++;
    while (!isSound && !this.#link.closed) await nextTurn();
    return isSound;
  }

  /** The two honest ones talk, and nothing went wrong but with the liar's link. */
  async serves(): Promise<void> {
    const number = this.#number++;
    const answers = [
      this.#friend.request('victim', { number }, { timeout: 20_000 }),
      this.#victim.request('friend', { number }, { timeout: 20_000 }),
    ] as Promise<{ number: number }>[];
    for (const answer of await Promise.all(answers)) {
      if (answer.number !== number) throw new Error(`asked ${number}, got ${answer.number}`);
    }
    while (this.#received < this.#sent) await nextTurn();
    if (this.#received > this.#sent) throw new Error('the bus got what was not sent');
    for (const code of this.#codes) {
      if (code !== 'ERR_CORRUPT') throw new Error(`the bus said ${code}`);
    }
    if (!this.#victim.peers.has('liar')) throw new Error('the liar has left');
  }

  async close(): Promise<void> {
    await this.#link?.close();
    await this.#presence.close();
    await Promise.all([this.#victim.close(), this.#friend.close()]);
  }
}

/** Every so many that break the link, one is sent: to make another costs as much as many cases. */
const oneOfBroken = 64;
/** Between two looks at the honest ones. */
const batch = 200;

/**
 * @throws where decoding throws anything but `ERR_CORRUPT`, an honest peer gets no answer, or the bus
 *   reports anything else
 */
export async function fuzzEnvelopes(from: number, to: number): Promise<FuzzResult> {
  const tally = new Tally();
  const bus = new HostileBus();
  const watchdog = new Watchdog();
  await bus.open();
  try {
    for (let number = from; number < to; number++) {
      watchdog.beat(number);
      try {
        const pick = random(number + 1);
        const bytes = lyingEnvelope(pick);
        const outcome = decodeAlone(bytes);
        const isSound = outcome === 'a value';
        // More than a link takes at once is not sent.
        const isSent = (isSound || number % oneOfBroken === 0) && bytes.length <= capacity / 4;
        const hasArrived = isSent && (await bus.send(bytes));
        const how = hasArrived === isSound ? '' : ', decoded otherwise after earlier ones';
        tally.count(`${outcome}${isSent ? `, sent to a bus${how}` : ''}`);
        if (number % batch === 0) {
          await bus.serves();
          await nextTurn();
        }
      } catch (cause) {
        throw new Error(`case ${number}`, { cause });
      }
    }
    await bus.serves();
    tally.outcomes['links that it made'] = bus.links;
  } finally {
    await bus.close();
    watchdog.stop();
  }
  return { cases: to - from, outcomes: tally.outcomes };
}
