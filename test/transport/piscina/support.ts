import { createRequire } from 'node:module';
import { Piscina } from 'piscina';
import { type ArenaOptions, PayloadArena } from '../../../src/transport/piscina/index.js';
import { sibling } from '../../support/processes.js';

export type Options = NonNullable<ConstructorParameters<typeof Piscina>[0]>;
export type PoolClass = typeof Piscina;

const require = createRequire(import.meta.url);

export const handlers = sibling(import.meta.url, './handlers.js');

/** The Piscina of the next version; or why it cannot be used. */
function piscina6(): PoolClass | string {
  if (Number(process.versions.node.split('.')[0]) < 22) return 'piscina 6 needs Node 22';
  return (require('piscina-6') as { Piscina: PoolClass }).Piscina;
}

/** Arenas and pools of a suite, each closed after its test. */
export function workshop(Pool: () => PoolClass) {
  const pools: Piscina[] = [];
  const arenas: PayloadArena[] = [];
  afterEach(async () => {
    await Promise.all(pools.splice(0).map(pool => pool.destroy()));
    for (const arena of arenas.splice(0)) arena.close();
  });
  return {
    arena(options: Partial<ArenaOptions> = {}): PayloadArena {
      const arena = PayloadArena.create({ bytes: 8 << 20, ...options });
      arenas.push(arena);
      return arena;
    },
    pool(arena: PayloadArena, options: Options = {}): Piscina {
      const pool = new (Pool())({
        filename: handlers,
        minThreads: 1,
        maxThreads: 1,
        workerData: { payloads: arena.handle },
        ...options,
      });
      pools.push(pool);
      return pool;
    },
  };
}

/** A suite for each version of Piscina, with its own arenas and pools. */
export function forEachPiscina(
  title: string,
  define: (make: ReturnType<typeof workshop>, Pool: () => PoolClass) => void,
): void {
  const versions: [name: string, find: () => PoolClass | string][] = [
    ['piscina 5', () => Piscina],
    ['piscina 6', piscina6],
  ];
  for (const [name, find] of versions) {
    describe(`${title} of ${name}`, () => {
      let Pool: PoolClass;
      before(function () {
        const found = find();
        if (typeof found === 'string') {
          console.log(`      skipped: ${found}`);
          this.skip();
        }
        Pool = found;
      });
      define(
        workshop(() => Pool),
        () => Pool,
      );
    });
  }
}

/** Bytes that are easy to tell from others. */
export function pattern(bytes: number, seed = 1): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) buffer[i] = (i * 31 + seed * 17) & 0xff;
  return buffer;
}
