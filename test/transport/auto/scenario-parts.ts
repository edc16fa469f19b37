/* eslint-disable @typescript-eslint/unbound-method -- the tools are functions */
import type { ChildProcess } from 'node:child_process';
import type { tools } from './scenario-tools.js';

type Tools = typeof tools;
export type Part = (tools: Tools) => unknown;

export interface Scenario {
  parent: Part;
  child?: Part;
  other?: Part;
}

export type Scenarios = Record<string, Scenario>;

export const self = process as NodeJS.Process & { send: NonNullable<NodeJS.Process['send']> };

/** A child that answers each message with itself, after the warm-up. */
export const echo: Part = async ({ warmed }) => {
  await warmed();
  process.on('message', (message, handle) => void self.send({ echo: message, handle: !!handle }));
};

/** Collects messages until `done`. */
export function messagesOf(child: ChildProcess): Promise<unknown[]> {
  const all: unknown[] = [];
  return new Promise(resolve => {
    child.on('message', function listener(message) {
      if (message !== 'done') all.push(message);
      else resolve(all);
    });
  });
}
