import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { type Cores, chooseCores } from './cores.js';

/** Where the figures were taken: without it they mean nothing. */
export interface Environment {
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memory: string;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
  readonly tinybench: string;
  readonly compiler: string;
  /** Where sides that poll were kept; absent: the scheduler decided. */
  readonly pinned?: Cores;
  /** Average number of runnable processes in the minute before: 0 on an idle machine. */
  readonly load: number;
}

export function environment(): Environment {
  const pinned = chooseCores();
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.versions.node,
    v8: process.versions.v8,
    tinybench: tinybenchVersion(),
    compiler: compilerVersion(),
    ...(pinned && { pinned }),
    load: os.loadavg()[0]!,
  };
}

/** Of our package.json, which names this one exactly: published, it is built in. */
function tinybenchVersion(): string {
  const path = new URL('../../package.json', import.meta.url);
  const { devDependencies } = JSON.parse(readFileSync(path, 'utf8')) as {
    devDependencies: { tinybench: string };
  };
  return devDependencies.tinybench;
}

function compilerVersion(): string {
  try {
    const output = execFileSync(process.env.CXX ?? 'c++', ['--version'], { encoding: 'utf8' });
    return output.split('\n')[0]!;
  } catch {
    return 'none';
  }
}
