import { expect } from 'chai';
import { Allocator, type Block, unitBytes } from '../../../src/transport/piscina/allocator.js';
import { random } from '../../support/traffic.js';

const mib = 1 << 20;

interface Live {
  block: Block;
  bytes: number;
}

describe('Allocator of the payload arena', () => {
  it('gives out blocks that are large enough, aligned, within bounds and apart, and joins them again', () => {
    const next = random(1);
    for (let round = 0; round < 20; round++) {
      const bytes = unitBytes * (1 + next(2000));
      const allocator = new Allocator(bytes);
      const live: Live[] = [];
      for (let step = 0; step < 400; step++) {
        const what = next(10);
        if (what < 5) {
          const wanted = next(next(2) ? 300 : bytes + 1);
          const block = allocator.allocate(wanted);
          if (block) live.push({ block, bytes: wanted });
        } else if (live.length > 0) {
          const [{ block, bytes }] = live.splice(next(live.length), 1) as [Live];
          if (what < 9) {
            allocator.free(block);
          } else {
            const less = 1 + next(bytes || 1);
            allocator.shrink(block, less);
            live.push({ block, bytes: block.length < less ? bytes : less });
          }
        }
        const places = live
          .map(({ block, bytes }) => ({
            start: block.offset,
            end: block.offset + block.length,
            bytes,
          }))
          .sort((a, b) => a.start - b.start);
        let free = 0;
        for (const { start, end, bytes: wanted } of places) {
          if (start % unitBytes !== 0 || start < free || end - start < wanted) {
            throw new Error(`round ${round}, step ${step}: ${wanted} bytes at ${start} to ${end}`);
          }
          free = end;
        }
        expect(free).to.be.at.most(bytes);
        expect(allocator.stats().blocks).to.equal(live.length);
      }
      for (const { block } of live) allocator.free(block);
      expect(allocator.stats()).to.include({ blocks: 0, requested: 0, used: 0, wasted: 0 });
      expect(allocator.allocate(bytes), 'all of it in one piece again').to.not.equal(undefined);
    }
  });

  it('refuses what it has no room for, and a block that is not in use', () => {
    const allocator = new Allocator(4096);
    expect(allocator.allocate(4097)).to.equal(undefined);
    const all = allocator.allocate(4096)!;
    expect(allocator.allocate(0)).to.equal(undefined);
    allocator.free(all);
    expect(() => allocator.free(all)).to.throw('not in use');
    expect(allocator.allocate(0)).to.not.equal(undefined);
  });

  // Sizes of equal likelihood, and sizes of which as many are small as large.
  const sizes = {
    uniform: (next: (bound: number) => number) => 100 + next(8 * mib - 99),
    logarithmic: (next: (bound: number) => number) =>
      Math.round(100 * ((8 * mib) / 100) ** (next(1e6) / 1e6)),
  };
  for (const [name, size] of Object.entries(sizes)) {
    it(`wastes less than 35 % over a million allocations of 100 B to 8 MiB, ${name}`, function () {
      this.timeout(60_000);
      const capacity = 1024 * mib;
      const allocator = new Allocator(capacity);
      const next = random(7);
      const live: Live[] = [];
      let [made, failures, sum, worst] = [0, 0, 0, 0];
      let requested = 0;
      while (made < 1e6) {
        const bytes = size(next);
        const block = allocator.allocate(bytes);
        if (block) {
          made++;
          requested += bytes;
          live.push({ block, bytes });
          // Random lifetimes, at a level that keeps the arena close to full.
          if (next(100) < 45) drop();
          continue;
        }
        // All that is not in use is wasted at this moment: it serves not even this request.
        const waste = 1 - requested / capacity;
        failures++;
        sum += waste;
        worst = Math.max(worst, waste);
        const { wasted } = allocator.stats();
        expect(wasted, 'reported').to.be.at.most(capacity - requested);
        const count = 1 + next(Math.max(1, live.length >> 3));
        for (let i = 0; i < count; i++) drop();
      }
      function drop(): void {
        const at = next(live.length);
        const { block, bytes } = live[at]!;
        live[at] = live.at(-1)!;
        live.pop();
        requested -= bytes;
        allocator.free(block);
      }
      console.log(
        `      full ${failures} times: wasted ${((sum / failures) * 100).toFixed(1)} % on ` +
          `average, ${(worst * 100).toFixed(1)} % at worst`,
      );
      expect(failures).to.be.above(1000);
      expect(sum / failures).to.be.below(0.35);
      expect(worst).to.be.below(0.35);
      for (const { block } of live) allocator.free(block);
      expect(allocator.stats()).to.include({ blocks: 0, used: 0, wasted: 0 });
    });
  }

  it('takes as long with 200,000 blocks as with 200', () => {
    const time = (blocks: number) => {
      const allocator = new Allocator(1024 * mib);
      const next = random(3);
      const live = Array.from({ length: blocks }, () => allocator.allocate(100 + next(4000))!);
      const trial = () => {
        const start = performance.now();
        for (let i = 0; i < 50_000; i++) {
          const at = next(blocks);
          allocator.free(live[at]!);
          live[at] = allocator.allocate(100 + next(4000))!;
        }
        return performance.now() - start;
      };
      return Math.min(...Array.from({ length: 5 }, trial));
    };
    time(200);
    // A list that is walked would take a thousand times as long; caches take their part.
    expect(time(200_000) / time(200)).to.be.below(30);
  });
});
