import { execFileSync } from 'node:child_process';

/** Sources and flags as binding.gyp has them, which is a Python literal. */
export function readGyp() {
  const script =
    'import ast, json; print(json.dumps(ast.literal_eval(open("binding.gyp").read())))';
  const output = execFileSync('python3', ['-c', script], { encoding: 'utf8' });
  const [target] = JSON.parse(output).targets;
  const conditions = Object.fromEntries(target.conditions);
  return {
    sources: target.sources,
    defines: target.defines,
    linux: conditions["OS=='linux'"],
    mac: { defines: [], ...conditions["OS=='mac'"] },
    win: conditions["OS=='win'"],
  };
}
