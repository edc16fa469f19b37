// A SharedArrayBuffer over memory that V8 does not own, made by V8 itself, for a Node whose
// Node-API lacks the function for it.
#pragma once

#include <cstddef>
#include <js_native_api_types.h>

// What the SharedArrayBuffers of one piece of memory have in common while there are any. Null
// where this is not a V8 that can be asked.
void* NewSharedStore();
// When none of them is left.
void EndSharedStore(void* store);

// One caller at a time for one store. `*held`: this was the first buffer, and `finalizer` is
// called with `data` and `hint` when the last of them has gone, on any thread, also when no
// environment is left. Else it never is. The current isolate gets the buffer.
napi_value NewSharedBufferByV8(void* store, void* data, size_t length,
                               void (*finalizer)(void*, void*), void* hint, bool* held);
