import { type ChildProcess, fork, type ForkOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./scenario.js', import.meta.url));
/** Written by the child too, in its last message. */
export const seen: unknown[] = [];

/** Whether this process and the preload's ends share memory; always true without the preload. */
function isReady(): boolean {
  if (!process.execArgv.some(argument => argument.includes('/auto/'))) return true;
  return readFileSync('/proc/self/maps', 'latin1').includes('/ring-');
}

const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds));

export const tools = {
  seen: (...what: unknown[]) => void seen.push(what.length === 1 ? what[0] : what),
  pause,

  /** Forks this file again; for it `child` of the scenario runs. */
  fork(options: ForkOptions = {}, role = 'child'): ChildProcess {
    return fork(script, [process.argv[2]!, role], options);
  },

  /** A child with which messages have passed until both use the rings, where they will. */
  async warm(options: ForkOptions = {}, role = 'child'): Promise<ChildProcess> {
    const child = tools.fork(options, role);
    await tools.warmUp(child);
    return child;
  },

  async warmUp(child: ChildProcess): Promise<void> {
    for (let after = 20; after > 0;) {
      child.send({ warm: true });
      const [answer] = (await once(child, 'message')) as [{ warm: boolean }];
      if (answer.warm && isReady()) after--;
      else await pause(2);
    }
    child.send({ warm: false });
    await once(child, 'message');
  },

  /** The child's part of `warm`. */
  async warmed(): Promise<void> {
    for (;;) {
      const [message] = (await once(process, 'message')) as [{ warm: boolean }];
      process.send!({ warm: isReady() });
      if (!message.warm) return;
    }
  },

  /** Adds the events of a child to what was seen. */
  watch(child: ChildProcess, ...except: string[]): Promise<unknown> {
    const names = ['disconnect', 'exit', 'close', 'error'].filter(name => !except.includes(name));
    for (const name of names) {
      child.on(name, (...values: unknown[]) =>
        seen.push([name, ...values.map(value => (value instanceof Error ? text(value) : value))]),
      );
    }
    // Not `once`, which fails at the first 'error'.
    return new Promise(resolve => child.on(except.includes('close') ? 'exit' : 'close', resolve));
  },

  text,
};

function text(error: unknown): string {
  const { name, code, message } = error as NodeJS.ErrnoException;
  return `${name} ${code ?? ''} ${message}`;
}
