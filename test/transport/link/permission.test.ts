// Programs under Node's permission model: what is allowed works, anything else is a ShmError.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { scratch, skip } from '../../native/support.js';
import { outcome, sibling, startNode } from '../../support/processes.js';

const script = sibling(import.meta.url, './permission-child.js');
/** What {@link script} says where nothing is in its way. */
const works = {
  import: 'ok',
  ring: 'ok',
  'kept ring': 'ok',
  memory: 'ok',
  file: 'ok',
  'Unix socket': 'shared-memory',
  port: 'shared-memory',
  bus: 'hello',
  reap: 'ok',
};
const knows = (flag: string) => process.allowedNodeEnvironmentFlags.has(flag);
const model = ['--permission', '--experimental-permission'].find(knows);

describe("Under Node's permission model", function () {
  this.timeout(60_000);
  const path = scratch();

  before(function () {
    if (!model || !knows('--allow-addons')) skip(this, 'this Node has no permission model');
  });

  let folders = 0;
  let folder = '';
  beforeEach(() => {
    folder = path(`f${folders++}`);
    mkdirSync(join(folder, 'regions'), { recursive: true, mode: 0o700 });
  });

  /** What became of each thing that the program tried; see permission-child.ts. */
  async function run(...options: string[]): Promise<Record<string, string>> {
    const env = {
      ...process.env,
      MMAP_TRANSPORT_DIR: join(folder, 'regions'),
      NODE_NO_WARNINGS: '1',
    };
    const { code, stdout, stderr } = await outcome(
      startNode([...options, script, folder], { env }),
    );
    expect([code, stderr]).to.deep.equal([0, '']);
    return JSON.parse(stdout) as Record<string, string>;
  }

  const tried = (...allowed: string[]) => run(model!, '--allow-fs-read=*', ...allowed);

  const net = knows('--allow-net') ? ['--allow-net'] : [];
  const denied = 'ShmError ERR_ACCESS_DENIED';

  it('everything works where it is allowed', async () => {
    const allowed = ['--allow-addons', `--allow-fs-write=${folder}`, ...net];
    expect(await tried(...allowed)).to.deep.equal(works);
  });

  it('where no file may be written, bytes go over sockets, and the rest is refused', async () => {
    const { 'Unix socket': socket, ...rest } = await tried('--allow-addons', ...net);
    expect(socket).to.be.oneOf(['socket', denied]);
    expect(rest).to.deep.equal({
      import: 'ok',
      ring: denied,
      'kept ring': denied,
      memory: denied,
      file: denied,
      port: 'socket',
      bus: denied,
      reap: 'ok',
    });
  });

  it('where no socket may be opened, listening and dialling are refused', async function () {
    if (net.length === 0) skip(this, 'this Node has no permission for sockets');
    expect(await tried('--allow-addons', `--allow-fs-write=${folder}`)).to.deep.equal({
      import: 'ok',
      ring: 'ok',
      'kept ring': 'ok',
      memory: 'ok',
      file: 'ok',
      'Unix socket': denied,
      port: denied,
      bus: denied,
      reap: 'ok',
    });
  });

  it('where no addon may be loaded, that is said', async () => {
    expect(await tried()).to.deep.equal({ import: 'ShmError ERR_UNSUPPORTED' });
  });

  for (const option of [
    '--disallow-code-generation-from-strings',
    '--frozen-intrinsics',
    '--disable-proto=throw',
    '--disable-proto=delete',
  ]) {
    it(`and without it, everything works with ${option}`, async () => {
      expect(await run(option)).to.deep.equal(works);
    });
  }
});
