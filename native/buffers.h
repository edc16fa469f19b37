// Hands a mapping to JavaScript, as buffers over its bytes. Each holds a reference on the mapping
// until it is collected.
#pragma once

#include "mapping.h"

#include <node_api.h>

// A SharedArrayBuffer. All that are made of one mapping, in whatever thread, are the same memory
// to V8, so that Atomics.wait in one thread meets Atomics.notify in another. Throws, and gives
// null, where this Node cannot make one; only null where the environment is about to end.
napi_value NewSharedBuffer(napi_env env, Mapping* mapping);

// A plain ArrayBuffer over some of the bytes, for this thread only. Throws and gives null as above.
napi_value NewAlias(napi_env env, Mapping* mapping, platform::Span span);
