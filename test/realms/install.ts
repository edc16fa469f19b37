import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The root of this package. */
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Test runners are 80 MB, which nobody needs who does not run this test: they are fetched for it. */
const packages = ['jest@30', 'vitest@3', 'vite@7', '@sinonjs/fake-timers@15'];

let folder: string | undefined;
let reason: string | undefined;

/**
 * A folder with the packages, and with this one, as a project of a user has them.
 *
 * Set MMAP_TRANSPORT_TEST_RUNNERS to a folder that has them installed already, to save the time.
 *
 * @returns undefined where they cannot be had; {@link whyNot} says why
 */
export async function installRunners(): Promise<string | undefined> {
  if (folder ?? reason) return folder;
  const made = mkdtempSync(join(tmpdir(), 'mmap-transport-runners-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  const modules = join(made, 'node_modules');
  const given = process.env.MMAP_TRANSPORT_TEST_RUNNERS;
  if (given === undefined) {
    writeFileSync(join(made, 'package.json'), '{ "private": true }');
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages];
    try {
      const shell = process.platform === 'win32';
      await run('npm', args, { cwd: made, timeout: 240_000, shell });
    } catch (error) {
      const { stderr } = error as { stderr?: string };
      reason = `npm could not install ${packages.join(' ')}: ${stderr?.split('\n')[0]}`;
      return undefined;
    }
  } else {
    symlinkSync(join(given, 'node_modules'), modules, 'junction');
  }
  mkdirSync(modules, { recursive: true });
  const own = join(modules, 'mmap-transport');
  if (!existsSync(own)) symlinkSync(root, own, 'junction');
  return (folder = made);
}

export function whyNot(): string {
  return reason ?? 'not tried';
}
