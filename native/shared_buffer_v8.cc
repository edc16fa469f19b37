// V8's own interface ties a binary to one Node ABI, and takes and gives standard pointers: so
// this file is compiled with the C++ library that Node itself was built with, which may be
// another than the rest of the addon has. Therefore it includes nothing of the rest.
#include "shared_buffer_v8.h"

#include <cstring>
#include <memory>
#include <v8.h>

namespace {

struct Release {
  void (*finalizer)(void*, void*);
  void* hint;
};

}  // namespace

napi_value NewSharedBufferByV8(void* data, size_t length, void (*finalizer)(void*, void*),
                               void* hint) {
  auto store = v8::SharedArrayBuffer::NewBackingStore(
      data, length,
      [](void* released, size_t, void* argument) {
        const std::unique_ptr<Release> release(static_cast<Release*>(argument));
        release->finalizer(released, release->hint);
      },
      new Release{finalizer, hint});
  v8::Local<v8::Value> buffer = v8::SharedArrayBuffer::New(
      v8::Isolate::GetCurrent(), std::shared_ptr<v8::BackingStore>(std::move(store)));
  static_assert(sizeof(napi_value) == sizeof(buffer), "a napi_value is a v8::Local");
  napi_value result;
  std::memcpy(&result, &buffer, sizeof(result));
  return result;
}
