// A SharedArrayBuffer over memory that V8 does not own, made by V8 itself, for a Node whose
// Node-API lacks the function for it.
#pragma once

#include <cstddef>
#include <js_native_api_types.h>

// `finalizer` is called with `data` and `hint` when the last SharedArrayBuffer has gone, on any
// thread, also when no environment is left. The current isolate gets the buffer. Null where
// this is not a V8 that can be asked; nothing is called then.
napi_value NewSharedBufferByV8(void* data, size_t length, void (*finalizer)(void*, void*),
                               void* hint);
