// Builds the reference and the guides into site/, from the doc comments, README.md and docs/:
// `npm run docs`. A public name without a comment is an error, and so is a link that leads nowhere.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve } from 'node:path';
import { cache, repository, root } from './packages.mjs';

const site = join(root, 'site');
const staged = join(cache, 'site');

/** The guides in the order in which a newcomer wants them; the others follow. */
const order = [
  'choosing',
  'migrating',
  'auto',
  'recipes',
  'deploying',
  'bundlers',
  'testing',
  'observability',
  'troubleshooting',
  'errors',
  'platforms',
  'benchmarks',
  'benchmarks-payloads',
  'benchmarks-memory',
];

/** For those who change the package, and not among the guides of its users. */
const ours = ['architecture', 'features', 'faults', 'fuzzing', 'soaks', 'releasing'];

const all = readdirSync(join(root, 'docs'))
  .filter(name => name.endsWith('.md'))
  .map(name => name.slice(0, -'.md'.length))
  .filter(name => !ours.includes(name));
const guides = [
  ...order.filter(name => all.includes(name)),
  ...all.filter(name => !order.includes(name)),
];
const pages = ['README.md', ...guides.map(name => `docs/${name}.md`)];

stage();
build();
check();

/** The pages with links that hold in the site: what is not a page of it is in the repository. */
function stage() {
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(join(staged, 'docs'), { recursive: true });
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8').replaceAll(
      /(\]\()([^)#\s:]+)(#[^)\s]*)?\)/g,
      (link, before, target, anchor = '') => {
        const path = posix.join(posix.dirname(page), target);
        if (pages.includes(path)) return link;
        return `${before}${repository}/${/\.svg$/.test(path) ? 'raw' : 'blob'}/main/${path}${anchor})`;
      },
    );
    const [, title] = /^# (.*)$/m.exec(text);
    const front =
      page === 'README.md' ? '' : `---\ntitle: ${JSON.stringify(title)}\ncategory: Guides\n---\n`;
    writeFileSync(join(staged, page), front + text);
  }
}

function build() {
  rmSync(site, { recursive: true, force: true });
  const cli = join(root, 'node_modules/typedoc/bin/typedoc');
  const args = [
    ...['--readme', join(staged, 'README.md')],
    ...guides.flatMap(name => ['--projectDocuments', join(staged, `docs/${name}.md`)]),
    ...['--sourceLinkTemplate', `${repository}/blob/main/src/{path}#L{line}`],
  ];
  const { status } = spawnSync(process.execPath, [cli, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Every link within the site leads to a page, and to a place of it that exists. */
function check() {
  const files = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.html'),
  );
  const texts = new Map(
    files.map(name => [join(site, name), readFileSync(join(site, name), 'utf8')]),
  );
  const anchors = new Map();
  const anchorsOf = path => {
    if (!anchors.has(path)) {
      const ids = texts.get(path)?.matchAll(/\s(?:id|name)="([^"]*)"/g) ?? [];
      anchors.set(path, new Set([...ids].map(([, id]) => id)));
    }
    return anchors.get(path);
  };
  const broken = [];
  let checked = 0;
  for (const [page, text] of texts) {
    for (const [, target] of text.matchAll(/\s(?:href|src)="([^"]*)"/g)) {
      const inRepository = target.startsWith(`${repository}/blob/main/`)
        ? target.slice(`${repository}/blob/main/`.length).replace(/#.*/, '')
        : undefined;
      if (inRepository === undefined && /^[a-z]+:/.test(target)) continue;
      checked++;
      const [path, anchor] = decodeURI(target.replaceAll('&amp;', '&')).split('#');
      const file = path === '' ? page : resolve(dirname(page), path);
      const isThere =
        inRepository === undefined
          ? existsSync(file) && (!anchor || !file.endsWith('.html') || anchorsOf(file).has(anchor))
          : existsSync(join(root, decodeURI(inRepository)));
      if (!isThere) broken.push(`${relative(root, page)}: ${target}`);
    }
  }
  for (const line of broken) console.error(line);
  console.log(`site/: ${files.length} pages, ${guides.length} guides, ${checked} links checked`);
  if (broken.length > 0) process.exitCode = 1;
}
