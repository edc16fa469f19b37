import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where one run of an operation takes place; the region directory is `regions` in it. */
export interface Place {
  readonly home: string;
  readonly regions: string;
  /** A path of that name there. */
  readonly path: (name: string) => string;
  /** An error that came by an event: it has to be one of ours, too. */
  readonly told: (error: unknown) => void;
}

/** What a user does, so that its system calls can be made to fail one by one. */
export interface Operation<Context = unknown, Value = unknown> {
  readonly name: string;
  /** What has to be there before. Nothing fails meanwhile. */
  prepare?(place: Place): Context | Promise<Context>;
  /** What may fail. */
  act(context: Context, place: Place): Value | Promise<Value>;
  /** Checks and gives back what `act` gave. Nothing fails meanwhile. */
  finish?(value: Value, context: Context, place: Place): unknown;
  /** Gives back what `prepare` made, and throws where that was harmed. */
  dispose?(context: Context, place: Place): unknown;
  /** `act` uses up what `prepare` made: it is tried again with another. */
  readonly isOnce?: boolean;
}

/** Operations, as they are added. */
export class OperationTable {
  readonly all: Operation[] = [];

  readonly add = <C, V>(operation: Operation<C, V>): void => {
    this.all.push(operation);
  };
}

export function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Bytes that each direction of a ring, channel or link holds. */
export const capacity = 4096;

export const closes = { finish: (value: { close(): unknown }) => value.close() };

/** What killed processes leave: a segment, a ring, a doorbell's name as a plain file. */
export function leftovers({ regions }: Place): void {
  mkdirSync(regions, { mode: 0o700, recursive: true });
  for (const [kind, digit] of [
    ['mem', 'a'],
    ['ring', 'b'],
    ['link', 'c'],
  ] as const) {
    writeFileSync(join(regions, `${kind}-${digit.repeat(24)}`), 'left', { mode: 0o600 });
  }
}
