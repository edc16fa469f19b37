import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { Piscina } from 'piscina';
import { type Payload, runWithPayloads } from '../../../src/transport/piscina/index.js';
import { pattern, workshop } from './support.js';

/** Cloned as an object with the same own properties. */
class Job {
  readonly width = 200;
  #secret = 5;

  constructor(readonly image: Payload) {}

  get secret(): number {
    return this.#secret;
  }
}

class Jobs extends Map<string, unknown> {}

describe('Payloads in tasks of other realms', () => {
  const make = workshop(() => Piscina);

  it('objects, arrays, Maps and Sets of another realm', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const sources = Array.from({ length: 4 }, (_, i) => pattern(3000 + i, i));
    const [a, b, c, d] = sources.map(source => arena.share(source));
    const task: unknown = runInNewContext(
      '({ a, list: [b, { deep: [1] }], map: new Map([["c", c]]), set: new Set([d]), ' +
        'date: new Date(5), none: Object.create(null) })',
      { a, b, c, d },
    );
    const back = await runWithPayloads<Record<string, unknown>>(pool, task);
    expect(back.a).to.deep.equal(sources[0]);
    expect(back.list).to.deep.equal([sources[1], { deep: [1] }]);
    expect((back.map as Map<string, unknown>).get('c')).to.deep.equal(sources[2]);
    expect([...(back.set as Set<unknown>)]).to.deep.equal([sources[3]]);
    expect(back.date).to.deep.equal(new Date(5));
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });

  it('views of another realm, shared, in a task and in a result', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    for (const type of ['Float64Array', 'Uint8ClampedArray', 'BigInt64Array', 'DataView']) {
      const view = runInNewContext(`new ${type}(new ArrayBuffer(80))`) as ArrayBufferView;
      const back = await runWithPayloads<ArrayBufferView>(pool, [arena.share(view)]);
      const [got] = back as unknown as [ArrayBufferView];
      expect(got.constructor.name).to.equal(type);
      expect(got.byteLength).to.equal(80);
    }
    const source = pattern(5000);
    const made = await runWithPayloads<{
      list: Float64Array[];
      map: Map<string, Buffer>;
      date: Date;
    }>(pool, arena.share(source), { name: 'makeInRealm' });
    expect(made.list[0]).to.deep.equal(new Float64Array([1.5, 2]));
    expect(made.map.get('bytes')).to.deep.equal(source);
    expect(made.date).to.deep.equal(new Date(5));
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });

  it('an instance of a class that holds a payload is cloned as without one', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const source = pattern(5000);
    const task = { job: new Job(arena.share(source)), plain: new Date(7), error: new Error('no') };
    const back = await runWithPayloads<typeof task>(pool, task);
    expect(back.job).to.deep.equal({ width: 200, image: source });
    expect(back.plain).to.deep.equal(new Date(7));
    expect(back.error.message).to.equal('no');
    const alone = await runWithPayloads<object>(pool, new Job(arena.share(source)));
    expect(alone).to.deep.equal({ width: 200, image: source });
    const jobs = new Jobs([['one', arena.share(source)]]);
    const map = await runWithPayloads<Map<string, Buffer>>(pool, jobs);
    expect(map.get('one')).to.deep.equal(source);
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });

  it('keys that prototypes have, holes, and getters, which are called once', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const sparse: unknown[] = new Array(5);
    sparse[3] = arena.share(pattern(10));
    let calls = 0;
    const task = {
      sparse,
      toString: 1,
      constructor: 'text',
      get image() {
        calls++;
        return arena.share(pattern(20));
      },
    };
    Object.defineProperty(task, '__proto__', { value: arena.share(pattern(30)), enumerable: true });
    const back = await runWithPayloads<Record<string, unknown>>(pool, task);
    expect(calls).to.equal(1);
    expect(back.image).to.deep.equal(pattern(20));
    expect(Object.keys(back.sparse as object)).to.deep.equal(['3']);
    expect(back.sparse).to.have.length(5);
    expect(Object.hasOwn(back, 'toString')).to.equal(true);
    expect(back.constructor).to.equal('text');
    expect(Object.getOwnPropertyDescriptor(back, '__proto__')!.value).to.deep.equal(pattern(30));
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });
});
