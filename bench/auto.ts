// process.send with and without mmap-transport/auto: `node dist/bench/auto.js`. Each row is a pair of
// runs, one after the other; on a busy machine only the quotient says something.
import { fork, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

type Mode = 'json' | 'advanced';

const script = fileURLToPath(import.meta.url);
const entry = new URL('../src/transport/auto/index.js', import.meta.url).href;
const empty = 'data:text/javascript,';
const pairs = 3;
const [, , role, mode = 'json', count = '300000'] = process.argv as (string | undefined)[];

/** Milliseconds for `count` small objects from a child, or for round trips (p50, µs). */
function measure(what: 'send' | 'trip'): void {
  const child = fork(script, [what === 'send' ? 'sender' : 'echo', mode, count], {
    serialization: mode as Mode,
  });
  const total = Number(count);
  const times: number[] = [];
  let got = -1;
  let began = 0;
  child.on('message', () => {
    const now = performance.now();
    if (what === 'trip' && got >= 0) times.push(now - began);
    if (got < 0 || what === 'trip') began = now;
    if (++got < total) {
      if (got === 0 || what === 'trip') child.send({ id: got, name: 'worker', ok: true });
      return;
    }
    const p50 = times.sort((a, b) => a - b)[times.length >> 1]! * 1000;
    console.log(String(what === 'send' ? now - began : p50));
    child.kill();
  });
}

function sendAll(): void {
  let at = 0;
  const some = () => {
    while (at < Number(count)) {
      const goesOn = process.send!({ id: at, name: 'worker', value: at * 0.5, ok: true });
      at++;
      if (!goesOn || at % 500 === 0) return void setImmediate(some);
    }
  };
  some();
}

function run(args: string[], preload: string): number {
  const started = performance.now();
  const { stdout } = spawnSync(process.execPath, ['--import', preload, script, ...args]);
  return args[0] === 'nothing' ? performance.now() - started : Number(stdout);
}

if (role === 'send' || role === 'trip') {
  measure(role);
} else if (role === 'sender') {
  process.once('message', sendAll);
  process.send!('here');
} else if (role === 'echo') {
  process.on('message', message => process.send!(message));
  process.send!('here');
} else if (role !== 'nothing') {
  const all = [
    ...['json', 'advanced'].flatMap(name => [
      ['send', name, '300000'],
      ['send', name, '10000'],
      ['trip', name, '50000'],
    ]),
    ['nothing'],
  ];
  // With ROWS='json 10000', for example, only rows that have all these words.
  const words = (process.env.ROWS ?? '').split(' ').filter(Boolean);
  const rows = all.filter(row => words.every(word => row.includes(word)));
  for (const row of rows) {
    for (let pair = 0; pair < pairs; pair++) {
      const plain = run(row, empty);
      const auto = run(row, entry);
      const unit = row[0] === 'trip' ? 'µs' : 'ms';
      const figures = `${plain.toFixed(1)} ${unit} plain, ${auto.toFixed(1)} ${unit} auto`;
      console.log(`${row.join(' ')}: ${figures}, ${(plain / auto).toFixed(2)} times as fast`);
    }
  }
}
