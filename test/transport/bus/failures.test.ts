import { runInNewContext, runInThisContext } from 'node:vm';
import { expect } from 'chai';
import type { RequestHandler } from '../../../src/transport/bus/bus-options.js';
import { rejected } from '../../support/errors.js';
import { Buses } from './support.js';

describe('What a handler of a bus throws', () => {
  const buses = new Buses('failures');
  afterEach(() => buses.close());

  /** Each as JavaScript, and the name, message and code that arrive. */
  const cases: [thrown: string, ...failure: unknown[]][] = [
    ["Object.assign(new TypeError('no'), { code: 'E_NO' })", 'TypeError', 'no', 'E_NO'],
    ["new (class Own extends Error { name = 'Own' })('no')", 'Own', 'no', undefined],
    ["Object.assign(new Error('no'), { name: undefined })", 'Error', 'no', undefined],
    ["Object.assign(new Error('no'), { name: 'N'.repeat(3) })", 'NNN', 'no', undefined],
    ["{ name: 'Plain', message: 'no', code: 5 }", 'Plain', 'no', 5],
    ["'a text'", 'Error', 'a text', undefined],
    ['undefined', 'Error', 'undefined', undefined],
    ['null', 'Error', 'null', undefined],
    ["Symbol('s')", 'Error', 'Symbol(s)', undefined],
    ['Object.create(null)', 'Error', 'what was thrown has no message', undefined],
    [
      "{ get message() { throw new Error('ha') } }",
      'Error',
      'what was thrown has no message',
      undefined,
    ],
  ];

  it('arrives with its name, message and code, also from another realm (vm, Jest)', async () => {
    const [asks, answers] = await buses.meet(['asks', 'answers']);
    for (const [thrown, ...failure] of cases) {
      for (const run of [runInNewContext, runInThisContext] as ((code: string) => unknown)[]) {
        answers!.onRequest(run(`() => { throw ${thrown}; }`) as RequestHandler<unknown>);
        const { name, message, code } = await rejected(asks!.request('answers', 1));
        expect([name, message, code], thrown).to.deep.equal(failure);
      }
    }
  });
});
