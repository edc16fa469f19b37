import { expect } from 'chai';
import { outcome, sibling, startNode } from '../../support/processes.js';

const script = sibling(import.meta.url, './hardened-child.js');

/** Arguments of Node, and of the script. */
const ways: [string, string[], string][] = [
  ['as usual', [], ''],
  ['where Node froze its intrinsics', ['--frozen-intrinsics', '--no-warnings'], ''],
  ['where all prototypes are frozen', [], 'frozen'],
  ['where all prototypes were frozen after the first messages', [], 'frozen-late'],
  ['where __proto__ is gone', ['--disable-proto=delete'], ''],
  ['where __proto__ throws', ['--disable-proto=throw'], ''],
  ['where no code can be made', ['--disallow-code-generation-from-strings'], ''],
  ['where all objects have setters and constants', [], 'setters'],
  ['where all objects and arrays have properties to be enumerated', [], 'polluted'],
];

describe('codec structured in hardened programs', () => {
  for (const [name, options, way] of ways) {
    it(`carries all ${name}`, async () => {
      const { code, stdout, stderr } = await outcome(startNode([...options, script, way]));
      expect(stderr).to.equal('');
      expect([stdout, code]).to.deep.equal(['all arrived\n', 0]);
    });
  }
});
