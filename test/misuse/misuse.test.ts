import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  Bus,
  Channel,
  Conn,
  Consumer,
  listen,
  Listener,
  MapFile,
  MapMem,
  Producer,
  Ring,
  ShmError,
} from '../../src/index.js';
import { PayloadArena } from '../../src/transport/piscina/index.js';
import { scratch } from '../native/support.js';
import { socketPath } from '../support/platform.js';
import { type Kind, kinds } from './kinds.js';
import { openAll } from './places.js';

/* What plain JavaScript hands over by mistake, to everything that is public. */

describe('Mistaken arguments', function () {
  this.timeout(60_000);
  const at = scratch();

  function tooLong(): Promise<never> {
    return new Promise((_, reject) => {
      setTimeout(reject, 20_000, new Error('it did not end within 20 seconds')).unref();
    });
  }

  /** What a call ends with, and what is left of it is closed. */
  async function outcomeOf(call: () => unknown): Promise<unknown> {
    let result: unknown;
    try {
      result = await Promise.race([call(), tooLong()]);
    } catch (error) {
      return error ?? new Error('undefined was thrown');
    }
    const { close, destroy } = (result ?? {}) as { close?: () => unknown; destroy?: () => unknown };
    if (typeof destroy === 'function') destroy.call(result);
    else if (typeof close === 'function') await close.call(result);
    return undefined;
  }

  it('are refused, each with an error that says what was expected; and nothing is left', async () => {
    const { places, consumer, home, close } = await openAll(at);
    const wrong: string[] = [];
    let tried = 0;
    const directory = process.env.MMAP_TRANSPORT_DIR!;
    const left = () => [...readdirSync(directory), ...readdirSync(home)];
    for (const [name, { call, right }] of Object.entries(places)) {
      for (const [kind, make] of Object.entries(kinds)) {
        tried++;
        const before = new Set(left());
        consumer.drain(() => {}); // so that there is room
        const error = await outcomeOf(() => call(make() as never));
        const what = `${name}, ${kind}: `;
        if (right.includes(kind as Kind)) {
          if (error !== undefined) wrong.push(`${what}refused, ${(error as Error).message}`);
          for (const made of ['text', '4096'])
            rmSync(join(home, made), { force: true, recursive: true });
          continue;
        }
        const { code, message } = (error ?? {}) as Partial<ShmError>;
        if (error === undefined) wrong.push(`${what}taken`);
        else if (!(error instanceof ShmError))
          wrong.push(`${what}raw, ${(error as Error).message}`);
        else if (!/must be|expected|ENOENT|no such|range|[Rr]eceived|at most/.test(message!))
          wrong.push(`${what}says little, ${message!}`);
        if (code?.startsWith('E') !== true && error !== undefined) wrong.push(`${what}no code`);
        const more = left().filter(one => !before.has(one));
        if (more.length > 0) wrong.push(`${what}left ${more.join(', ')}`);
      }
    }
    await close();
    expect(wrong.join('\n')).to.equal('');
    expect(tried).to.be.above(2000);
  });

  it('of an option that is misspelled name the right one', async () => {
    const refused = async (call: () => unknown) => ((await outcomeOf(call)) as Error).message;
    const meant = /there is no option "capcity"; did you mean capacity\?/;
    const options = { capcity: 65536 } as object;
    expect(await refused(() => Channel.create(options))).to.match(meant);
    expect(await refused(() => listen(socketPath(at('no')), options))).to.match(meant);
    expect(await refused(() => Bus.join('no', options))).to.match(meant);
    expect(await refused(() => Ring.create({ capacity: 4096, ...options }))).to.match(meant);
    const unlike = { depth: 3 } as object;
    expect(await refused(() => Channel.create(unlike))).to.match(/"depth"; expected codec, wait/);
  });

  it('a forgotten `await` is named, and so is the way to make what has no constructor', async () => {
    const refused = async (call: () => unknown) => ((await outcomeOf(call)) as Error).message;
    const promise = Promise.resolve({ capacity: 4096 });
    for (const call of [
      (options: never) => Channel.create(options),
      (options: never) => Ring.create(options),
      (options: never) => Bus.join('no', options),
    ]) {
      expect(await refused(() => call(promise as never))).to.match(/await/);
    }
    const classes: [unknown, RegExp][] = [
      [Ring, /Ring\.create/],
      [Channel, /Channel\.create/],
      [Bus, /await Bus\.join/],
      [Conn, /dial/],
      [Listener, /listen/],
      [Producer, /ring\.producer/],
      [Consumer, /ring\.consumer/],
      [MapFile, /openFile/],
      [MapMem, /openMem/],
      [PayloadArena, /PayloadArena\.create/],
    ];
    for (const [Class, way] of classes) {
      const make = Class as new (...args: unknown[]) => unknown;
      for (const args of [[], [{ capacity: 4096 }], ['name']]) {
        const error = await outcomeOf(() => new make(...args));
        expect(error).to.be.instanceOf(ShmError);
        expect((error as ShmError).code).to.equal('ERR_INVALID_ARG');
        expect((error as Error).message).to.match(way);
      }
    }
  });
});
