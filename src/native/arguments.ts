import { types } from 'node:util';
import { invalidArgument, ShmError } from '../errors.js';

/*
 * Values are judged by what they are, not by their constructors: those of another realm (a vm
 * context, Jest) have other constructors.
 */

/** Whether it is memory of any kind, or a view of some. */
export function isMemory(value: unknown): boolean {
  return types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value);
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** @throws {ShmError} `ERR_INVALID_ARG` unless `isRight` */
export function checkArgument(
  isRight: boolean,
  operation: string,
  name: string,
  expected: string,
  got: unknown,
): asserts isRight {
  if (!isRight) throw invalidArgument(operation, name, expected, got);
}

/**
 * An object of options. Arrays, maps, dates, memory and the like do not count as one.
 *
 * @throws {ShmError} `ERR_INVALID_ARG`
 */
export function checkObject(operation: string, value: unknown, name = 'options'): void {
  const isCandidate = isObject(value) && !isMemory(value);
  if (isCandidate && Object.prototype.toString.call(value) === '[object Object]') return;
  throw invalidArgument(operation, name, 'an object', value);
}

/** What an option must be: throws if `value`, which is not undefined, is not that. */
export type Rule = (operation: string, name: string, value: unknown) => void;

/** An option that is checked where it is used, before anything is made. */
export const checkedLater: Rule = () => {};

function rule(expected: string, isRight: (value: unknown) => boolean): Rule {
  return (operation, name, value) => {
    if (!isRight(value)) throw invalidArgument(operation, name, expected, value);
  };
}

export const aBoolean = rule('a boolean', value => typeof value === 'boolean');

export const aString = rule('a string', value => typeof value === 'string');

export const aDirectory = rule('a path', value => {
  return typeof value === 'string' && value !== '' && !value.includes('\0');
});

/** Judged by the members that are used: it may come from another realm, or from a library. */
export const anAbortSignal = rule('an AbortSignal', value => {
  const signal = value as Partial<AbortSignal> | null;
  return (
    typeof signal?.addEventListener === 'function' && typeof signal.throwIfAborted === 'function'
  );
});

/**
 * Options by their rules. One of another name is refused: a misspelled one would silently do
 * nothing.
 *
 * @param rules of all options
 * @throws {ShmError} `ERR_INVALID_ARG`, and what the rules throw
 */
export function checkOptions(
  operation: string,
  options: object,
  rules: Readonly<Record<string, Rule>>,
): void {
  checkObject(operation, options);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (Object.hasOwn(rules, name)) rules[name]!(operation, name, value);
    else throw unknownOption(operation, name, Object.keys(rules));
  }
}

function unknownOption(operation: string, name: string, known: readonly string[]): ShmError {
  const near = known.find(other => isNear(other.toLowerCase(), name.toLowerCase()));
  const hint = near === undefined ? '' : `did you mean ${near}? `;
  const detail = `there is no option ${JSON.stringify(name.slice(0, 80))}; ${hint}expected ${known.join(', ')}`;
  return new ShmError('ERR_INVALID_ARG', detail, operation);
}

/** Whether two names differ in two places at most: letters missing, too many, swapped. */
function isNear(a: string, b: string, edits = 2): boolean {
  if (a === b) return true;
  if (edits === 0 || Math.abs(a.length - b.length) > edits) return false;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const [restA, restB] = [a.slice(at), b.slice(at)];
  return (
    isNear(restA.slice(1), restB, edits - 1) ||
    isNear(restA, restB.slice(1), edits - 1) ||
    isNear(restA.slice(1), restB.slice(1), edits - 1)
  );
}

/**
 * For classes that only this package constructs: plain JavaScript can call their constructors all
 * the same.
 *
 * @throws {ShmError} `ERR_INVALID_ARG`
 */
export function notConstructed(name: string, instead: string): never {
  const detail = `expected ${instead}, got a call of the constructor`;
  throw new ShmError('ERR_INVALID_ARG', detail, `new ${name}`);
}
