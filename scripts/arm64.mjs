// Node for Linux on arm64, under qemu's user emulation, which is installed from Debian if missing.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cache, installFromDebian, nodeProgram, nodes } from './packages.mjs';

const libraries = '/usr/aarch64-linux-gnu';

export class Arm64 {
  /** A script that starts Node, with which Node also starts itself. */
  program = join(cache, 'arm64/node');
  /** What every process is started with. */
  options;

  /** @throws {Error} where there is no qemu and none can be installed */
  constructor() {
    const node = nodeProgram(nodes[22], 'linux-arm64');
    if (spawnSync('qemu-aarch64', ['--version']).status !== 0 || !existsSync(libraries)) {
      const packages = ['qemu-user', 'libc6-arm64-cross', 'libstdc++6-arm64-cross'];
      installFromDebian('arm64', ...packages);
    }
    mkdirSync(join(cache, 'arm64'), { recursive: true });
    const start = `#!/bin/sh\nexec qemu-aarch64 -L ${libraries} ${node} "$@"\n`;
    writeFileSync(this.program, start, { mode: 0o755 });
    // The system cannot start a program of another processor; children are started by the script.
    const preload = join(cache, 'arm64/preload.mjs');
    writeFileSync(preload, `process.execPath = ${JSON.stringify(this.program)};\n`);
    this.options = ['--import', pathToFileURL(preload).href];
  }
}
