// Only past releases lack the function of Node-API, so what is used of V8 here cannot change any
// more (ADR-0002). V8's functions are looked up by their names, so that one binary loads in every
// Node and does not fail over a missing function that it does not need.
//
// V8 takes and gives standard pointers. This file is compiled with the C++ library that Node
// itself was built with, which may be another than the rest of the addon has; therefore it
// includes nothing of the rest.
#include "shared_buffer_v8.h"

#ifdef _WIN32

// Node was built there with Microsoft's library, and no other compiler's knows its pointers.
void* NewSharedStore() { return nullptr; }
void EndSharedStore(void*) {}
napi_value NewSharedBufferByV8(void*, void*, size_t, void (*)(void*, void*), void*, bool*) {
  return nullptr;
}

#else

#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <new>
#include <utility>
#include <v8.h>

namespace {

using Deleter = void (*)(void* data, size_t length, void* argument);

// What V8 returns as a std::unique_ptr, without its destructor, which would ask for V8's by name.
struct Store {
  v8::BackingStore* pointer;
  ~Store() {}
};
static_assert(sizeof(Store) == sizeof(std::unique_ptr<v8::BackingStore>));
using Buffer = v8::Local<v8::SharedArrayBuffer>;
static_assert(sizeof(napi_value) == sizeof(Buffer), "a napi_value is a v8::Local");

struct V8 {
  v8::Isolate* (*current_isolate)();
  Store (*new_store)(void* data, size_t length, Deleter deleter, void* argument);
  void (*end_store)(v8::BackingStore* store);
  Buffer (*new_buffer)(v8::Isolate* isolate, std::shared_ptr<v8::BackingStore> store);

  bool complete() const { return current_isolate && new_store && end_store && new_buffer; }
};

#ifdef _LIBCPP_VERSION
#define SHARED_PTR "NSt3__110shared_ptrINS_12BackingStoreEEE"
#else
#define SHARED_PTR "St10shared_ptrINS_12BackingStoreEE"
#endif

template <typename Function>
void LookUp(const char* name, Function* out) {
  *out = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

V8 LookUpAll() {
  V8 v8 = {};
  LookUp("_ZN2v87Isolate10GetCurrentEv", &v8.current_isolate);
  LookUp("_ZN2v817SharedArrayBuffer15NewBackingStoreEPvmPFvS1_mS1_ES1_", &v8.new_store);
  LookUp("_ZN2v812BackingStoreD1Ev", &v8.end_store);
  LookUp("_ZN2v817SharedArrayBuffer3NewEPNS_7IsolateE" SHARED_PTR, &v8.new_buffer);
  return v8;
}

struct Release {
  void (*finalizer)(void*, void*);
  void* hint;
};

// Not kept by us: the store itself keeps the memory mapped.
struct SharedStore {
  std::weak_ptr<v8::BackingStore> current;
};

const V8& TheV8() {
  static const V8 v8 = LookUpAll();
  return v8;
}

std::shared_ptr<v8::BackingStore> NewStore(void* data, size_t length, Release* release) {
  const Store store = TheV8().new_store(
      data, length,
      [](void* released, size_t, void* argument) {
        const std::unique_ptr<Release> ending(static_cast<Release*>(argument));
        ending->finalizer(released, ending->hint);
      },
      release);
  return std::shared_ptr<v8::BackingStore>(store.pointer, [](v8::BackingStore* ending) {
    TheV8().end_store(ending);
    ::operator delete(ending);
  });
}

}  // namespace

void* NewSharedStore() { return TheV8().complete() ? new (std::nothrow) SharedStore : nullptr; }

void EndSharedStore(void* store) { delete static_cast<SharedStore*>(store); }

napi_value NewSharedBufferByV8(void* store, void* data, size_t length,
                               void (*finalizer)(void*, void*), void* hint, bool* held) {
  auto* shared = static_cast<SharedStore*>(store);
  std::shared_ptr<v8::BackingStore> current = shared->current.lock();
  *held = false;
  if (!current) {
    auto* release = new (std::nothrow) Release{finalizer, hint};
    if (release == nullptr) return nullptr;
    current = NewStore(data, length, release);
    *held = true;
    shared->current = current;
  }
  const Buffer buffer = TheV8().new_buffer(TheV8().current_isolate(), std::move(current));
  napi_value result;
  std::memcpy(&result, static_cast<const void*>(&buffer), sizeof(result));
  return result;
}

#endif
