import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { Channel, type ChannelHandle } from '../src/index.js';
import { makeRegionHome } from './region-home.js';

/*
 * Messages of mebibytes to another process and back as a number: over a channel of the default
 * capacity, and by process.send with 'advanced'. The ways take turns, message by message, so that a
 * busy machine is as busy for each; milliseconds per MiB are medians. The last message of each size
 * is compared by its digest.
 *
 *   node dist/bench/large.js [MiB,MiB…] [trials]
 */

const MiB = 2 ** 20;

type Codec = 'bytes' | 'structured';

interface Way {
  readonly name: string;
  /** Sends a value; resolves with the answer. */
  readonly ask: (value: unknown) => Promise<unknown>;
  readonly child: ChildProcess;
}

interface Question {
  readonly of: Uint8Array;
  readonly digest: boolean;
}

const answer = ({ of, digest }: Question) =>
  digest ? createHash('sha1').update(of).digest('hex') : of.length;

async function start(role: string, ...args: string[]): Promise<ChildProcess> {
  const child = fork(import.meta.filename, [role, ...args], { serialization: 'advanced' });
  await once(child, 'message');
  return child;
}

async function overChannel(codec: Codec): Promise<Way> {
  const channel = Channel.create({ codec: codec as 'structured' });
  const back = Channel.create();
  const handles = [channel, back].map(({ handle }) => JSON.stringify(handle));
  const child = await start('channel', codec, ...handles);
  back.on('message', () => {});
  const ask = async (value: unknown) => {
    const answered = once(back, 'message');
    const { of, digest } = value as Question;
    while (!channel.send(codec === 'bytes' ? marked(of, digest) : value)) await channel.ready();
    return (await answered)[0] as unknown;
  };
  return { name: `channel, ${codec}`, ask, child };
}

/** For bytes alone the first byte says what is asked. */
function marked(of: Uint8Array, digest: boolean): Uint8Array {
  of[0] = Number(digest);
  return of;
}

async function byProcessSend(): Promise<Way> {
  const child = await start('process.send');
  const ask = async (value: unknown) => {
    const answered = once(child, 'message');
    child.send(value as object);
    return (await answered)[0] as unknown;
  };
  return { name: 'process.send, advanced', ask, child };
}

function serve(role: string, codec?: string, ...handles: string[]): void {
  if (role === 'process.send') {
    process.on('message', value => process.send!(answer(value as Question)));
  } else {
    const [from, to] = handles.map(text => JSON.parse(text) as ChannelHandle);
    const channel = Channel.open(from!, { codec: codec as 'structured' });
    const back = Channel.open(to!);
    channel.on('message', value => {
      const question = codec === 'bytes' ? asked(value as Uint8Array) : (value as Question);
      back.send(answer(question));
    });
  }
  process.send!('ready');
  process.on('disconnect', () => process.exit());
}

const asked = (of: Uint8Array): Question => ({ of, digest: of[0] === 1 });

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

async function measure(sizes: number[], trials: number): Promise<void> {
  const ways = [await overChannel('bytes'), await overChannel('structured'), await byProcessSend()];
  const [cpu] = cpus();
  console.log(
    `${cpu?.model ?? '?'}, ${availableParallelism()} processors, Node ${process.version}`,
  );
  console.log(`load before: ${loadavg()[0]!.toFixed(1)}; milliseconds per MiB, medians\n`);
  console.log(['MiB', ...ways.map(({ name }) => name)].join('\t'));
  for (const size of sizes) {
    const of = Buffer.alloc(size * MiB, size);
    const times = ways.map((): number[] => []);
    const rounds = Math.max(3, Math.min(trials, Math.ceil((20 * trials) / size)));
    for (let round = -1; round < rounds; round++) {
      for (const [i, { ask }] of ways.entries()) {
        const from = performance.now();
        await ask({ of, digest: false });
        if (round >= 0) times[i]!.push((performance.now() - from) / size);
      }
    }
    for (const { ask, name } of ways) {
      const question = { of: marked(of, true), digest: true };
      if ((await ask(question)) === answer(question)) continue;
      throw new Error(`${name}: ${size} MiB came wrong`);
    }
    console.log([size, ...times.map(list => median(list).toFixed(3))].join('\t'));
  }
  for (const { child } of ways) child.disconnect();
  await Promise.all(ways.map(({ child }) => once(child, 'exit')));
  process.exit();
}

if (process.send) {
  serve(process.argv[2]!, ...process.argv.slice(3));
} else {
  const home = makeRegionHome('mmap-transport-large-');
  process.env.MMAP_TRANSPORT_DIR = home;
  process.once('exit', () => rmSync(home, { recursive: true, force: true }));
  const [sizes = '1,16,64,250', trials = '20'] = process.argv.slice(2);
  await measure(sizes.split(',').map(Number), Number(trials));
}
