// Hands a mapping to JavaScript as a SharedArrayBuffer.
#pragma once

#include "mapping.h"

#include <napi.h>

// A SharedArrayBuffer over the mapping's bytes. It holds a reference until the last
// SharedArrayBuffer made from it, in whatever thread, is collected. Throws in `env`
// and returns an empty value where this Node cannot make one.
Napi::Value NewSharedBuffer(Napi::Env env, Mapping* mapping);
