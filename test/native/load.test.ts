import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { outcome, sibling, startAlone } from '../support/processes.js';
import { scratch } from './support.js';

const root = sibling(import.meta.url, '../../../');

/** A copy of the package whose addon is missing, broken, or not allowed. */
describe('An addon that does not load', () => {
  const path = scratch();

  /** What a program prints that imports a copy of the package with these prebuilt addons. */
  async function said(name: string, prebuilds: Record<string, string>, before = '') {
    const copy = path(name);
    cpSync(join(root, 'dist/src'), join(copy, 'dist/src'), { recursive: true });
    cpSync(join(root, 'package.json'), join(copy, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
    for (const [file, content] of Object.entries(prebuilds)) {
      const folder = join(copy, 'prebuilds', `${process.platform}-${process.arch}`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, file), content);
    }
    const program = join(copy, 'program.mjs');
    writeFileSync(
      program,
      `${before}
      await import('./dist/src/index.js').catch(error => {
        console.log(JSON.stringify([error.name, error.code, error.message]));
      });`,
    );
    const { stdout, stderr } = await outcome(startAlone(program));
    expect(stderr).to.equal('');
    const [error, code, message] = JSON.parse(stdout) as [string, string, string];
    expect([error, code]).to.deep.equal(['ShmError', 'ERR_UNSUPPORTED']);
    return message;
  }

  it('is said to be missing, with the platforms there are and what to do', async () => {
    const message = await said('missing', {});
    expect(message).to.contain(`no addon for ${process.platform} ${process.arch}`);
    expect(message).to.contain('win32 x64').and.to.contain('npm run setup');
  });

  it('is said to be broken, with its path and the reason', async () => {
    const message = await said('broken', { 'node.napi.node': 'no library' });
    expect(message).to.contain('node.napi.node').and.to.contain(process.version);
  });

  it("is said to be kept out by Electron's memory cage", async () => {
    const electron = `Object.defineProperty(process.versions, 'electron', { value: '40.0.0' });`;
    const message = await said('electron', { 'node.napi.node': 'no library' }, electron);
    expect(message).to.contain('Electron 40.0.0').and.to.contain('child_process.fork');
  });
});
