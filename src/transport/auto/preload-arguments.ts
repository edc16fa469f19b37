import { fileURLToPath } from 'node:url';

/** What the package calls this entry. */
const name = 'mmap-transport/auto';

/**
 * Children look a bare name up from their own working directory, and end there if they do not find
 * it. So the arguments and options that they inherit get the place where this process has found it.
 *
 * @param entry URL of the module that was loaded
 */
export function makePreloadsAbsolute(entry: string): void {
  const path = fileURLToPath(entry);
  const { execArgv, env } = process;
  execArgv.forEach((argument, at) => {
    const option = execArgv[at - 1];
    if (argument === name && option === '--import') execArgv[at] = entry;
    else if (argument === name && isRequire(option)) execArgv[at] = path;
    else if (argument === `--import=${name}`) execArgv[at] = `--import=${entry}`;
    else if (argument === `--require=${name}`) execArgv[at] = `--require=${path}`;
  });
  const options = env.NODE_OPTIONS;
  if (options?.includes(name)) {
    const quoted = `"${path.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
    env.NODE_OPTIONS = options.replaceAll(inOptions, (...groups: string[]) => {
      const [, before, option, between] = groups;
      return [before, option, between, option === '--import' ? entry : quoted].join('');
    });
  }
}

const isRequire = (option: string | undefined) => option === '-r' || option === '--require';

const inOptions = /(^|\s)(--import|--require|-r)(\s+|=)"?mmap-transport\/auto"?(?=\s|$)/g;
