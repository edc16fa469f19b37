/*
 * Peers that all send to all, while they are killed and replaced at random. At the end, among
 * the live ones: everything sent was received, in order, whole, once; and nothing is left.
 *
 *   node dist/test/soak/bus-soak.js [--seconds 60] [--peers 8] [--longest 262144] [--misbehave]
 *
 * With --misbehave the peers' listeners throw, are removed and added again, requests get too little
 * time, and some peers close their bus and come back under another id: what they had sent until then
 * has arrived, too.
 */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeRegionHome } from '../../bench/region-home.js';
import { reap } from '../../src/index.js';
import type { Tally } from './bus-soak-peer.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    peers: { type: 'string', default: '8' },
    longest: { type: 'string', default: String(256 * 1024) },
    misbehave: { type: 'boolean', default: false },
  },
});
const directory = makeRegionHome('mmap-transport-soak-');
const script = fileURLToPath(new URL('./bus-soak-peer.js', import.meta.url));
const peers = new Map<string, ChildProcess>();
/** Of those that have closed their bus and come back with another id, by the old one. */
const left = new Map<string, Tally>();
let count = 0;
let killed = 0;

async function start(): Promise<void> {
  const id = String(count++);
  const child = fork(script, ['soak', id, values.longest, values.misbehave ? 'misbehave' : ''], {
    env: { ...process.env, MMAP_TRANSPORT_DIR: directory },
  });
  peers.set(id, child);
  child.once('exit', (code, signal) => {
    const isExpected = ![...peers.values()].includes(child);
    if (signal === 'SIGKILL' || (code === 0 && isExpected)) return;
    console.error(`peer ${id} ended with ${code ?? signal}`);
    for (const peer of peers.values()) peer.kill('SIGKILL');
    process.exit(1);
  });
  await once(child, 'message');
}

async function ask(child: ChildProcess, order: string): Promise<Tally> {
  const answer = once(child, 'message') as Promise<[Tally]>;
  child.send(order);
  return (await answer)[0];
}

async function tallies(order: string): Promise<Map<string, Tally>> {
  const all = [...peers].map(async ([id, child]) => [id, await ask(child, order)] as const);
  return new Map(await Promise.all(all));
}

/** One closes its bus and comes back under another id. */
async function rejoin(): Promise<void> {
  const [id, child] = [...peers][Math.floor(Math.random() * peers.size)]!;
  const next = String(count++);
  left.set(id, await ask(child, `rejoin ${next}`));
  peers.delete(id);
  peers.set(next, child);
}

/** Pairs of which not everything has arrived, and how many messages have. */
function compare(all: Map<string, Tally>): { missing: string[]; messages: number } {
  const missing: string[] = [];
  let messages = 0;
  for (const [from, { sent }] of [...all, ...left]) {
    for (const [to, { received }] of all) {
      if (from === to) continue;
      const [out, come] = [sent[to] ?? 0, received[from] ?? 0];
      messages += come;
      if (out !== come) missing.push(`${from} to ${to}: sent ${out}, received ${come}`);
    }
  }
  return { missing, messages };
}

await Promise.all(Array.from({ length: Number(values.peers) }, start));
const end = Date.now() + 1000 * Number(values.seconds);
while (Date.now() < end) {
  await delay(200 + Math.random() * 1000);
  if (values.misbehave && Math.random() < 0.5) {
    await rejoin();
    continue;
  }
  const ids = [...peers.keys()];
  const id = ids[Math.floor(Math.random() * ids.length)]!;
  const child = peers.get(id)!;
  peers.delete(id);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  killed++;
  await start();
}

const all = await tallies('stop');
let result = compare(all);
// What is on its way may take a moment; what is lost never comes.
for (let i = 0; i < 100 && result.missing.length > 0; i++) {
  await delay(100);
  result = compare(await tallies('count'));
}
const closing = [...peers.values()].map(child => {
  const exited = once(child, 'exit');
  child.send('close');
  return exited;
});
peers.clear();
await Promise.all(closing);
// What a killed peer had offered to another stays there for a minute, or until it is reaped; and on
// Windows its names do, too.
const stays = process.platform === 'win32' ? '' : 'link-';
const unexpected = readdirSync(directory).filter(file => !file.startsWith(stays));
reap(directory);
const files = [...unexpected, ...readdirSync(directory)];
rmSync(directory, { recursive: true });

const minutes = `${values.seconds} s, ${values.peers} peers, messages up to ${values.longest} bytes`;
console.log(`${minutes}: ${killed} killed and replaced`);
if (values.misbehave) {
  const requests: Record<string, number> = {};
  let thrown = 0;
  for (const tally of all.values()) {
    thrown += tally.thrown;
    for (const [end, times] of Object.entries(tally.requests)) {
      requests[end] = (requests[end] ?? 0) + times;
    }
  }
  console.log(`${left.size} closed and came back; ${thrown} throws of those at the end`);
  console.log(`their requests: ${JSON.stringify(requests)}`);
}
console.log(`${result.messages} messages between those that lived to the end`);
for (const line of result.missing) console.log(`MISSING ${line}`);
for (const file of files) console.log(`LEFT ${file}`);
console.log(result.missing.length + files.length === 0 ? 'nothing lost, nothing left' : 'FAILED');
process.exitCode = result.missing.length + files.length === 0 ? 0 : 1;
