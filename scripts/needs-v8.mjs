// Prints 1 where this Node lacks node_api_create_external_sharedarraybuffer, so that
// the addon must be built against V8 itself; else 0. binding.gyp asks.
const since = { 22: [23, 3], 24: [16, 0], 26: [1, 0] };
const [major, minor, patch] = process.versions.node.split('.').map(Number);
const [minMinor, minPatch] = since[major] ?? [];
const has =
  minMinor === undefined
    ? major > 26
    : minor > minMinor || (minor === minMinor && patch >= minPatch);
console.log(has ? 0 : 1);
