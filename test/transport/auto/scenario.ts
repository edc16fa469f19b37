import { seen, tools } from './scenario-tools.js';
import { scenarios } from './scenarios.js';

/*
 * What programs do with `process.send`, and see of it. Run as `scenario.js NAME`, with or without
 * the preload; prints as JSON what the parent and its children saw, which has to be the same.
 */

const [, , name, role] = process.argv as [string, string, string, string?];
const scenario = scenarios[name]!;
if (role === undefined) {
  const timer = setTimeout(() => {
    console.log(JSON.stringify({ late: seen.slice(-20) }));
    process.exit(1);
  }, 25_000);
  await scenario.parent(tools);
  clearTimeout(timer);
  console.log(JSON.stringify(seen));
} else {
  await (role === 'child' ? scenario.child : scenario.other)?.(tools);
}
