// How the Windows addon finds Node. An import table would name `node.exe`, and fail in any
// program that has another name; so the addon looks its symbols up when it is loaded, in
// whatever program that is.
import { readFileSync } from 'node:fs';

/** What the objects need from Node: the names of imported symbols are in them as plain text. */
export function askedOfNode(objects) {
  const found = objects.flatMap(path => [
    ...readFileSync(path)
      .toString('latin1')
      .matchAll(/(?<=\0__imp_)(?:napi|node_api|uv)_[a-z0-9_]+(?=\0)/g),
  ]);
  return [...new Set(found.map(match => match[0]))].sort();
}

/** C that defines the pointers those symbols are called through, and fills them. */
export function lookUpAll(names) {
  return `#include <windows.h>

${names.map(name => `void *__imp_${name};`).join('\n')}

static const struct { const char *name; void **place; } symbols[] = {
${names.map(name => `  {"${name}", &__imp_${name}},`).join('\n')}
};

static const char *const hosts[] = {NULL, "node.dll", "libnode.dll"};

/* Refuses to be loaded where a symbol is missing. */
BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved) {
  (void)self;
  (void)reserved;
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
    for (size_t h = 0; h < sizeof(hosts) / sizeof(hosts[0]) && !*symbols[i].place; h++) {
      const HMODULE host = GetModuleHandleA(hosts[h]);
      if (host) *symbols[i].place = (void *)GetProcAddress(host, symbols[i].name);
    }
    if (!*symbols[i].place) return FALSE;
  }
  return TRUE;
}
`;
}
