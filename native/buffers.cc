#include "buffers.h"

#include "binding_support.h"
#include "shared_buffer_v8.h"

#include <atomic>
#include <mutex>
#include <new>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace {

using CreateExternal = napi_status(NAPI_CDECL*)(napi_env env, void* data, size_t length,
                                                void(NAPI_CDECL* finalizer)(void* data, void* hint),
                                                void* hint, napi_value* result);

// node_api_create_external_sharedarraybuffer came with Node 22.23.3, 24.16.0 and
// 26.1.0; it is looked up at run time so that one binary loads in older ones too.
CreateExternal LookUp() {
  constexpr const char* kName = "node_api_create_external_sharedarraybuffer";
#ifdef _WIN32
  return reinterpret_cast<CreateExternal>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(nullptr), kName)));
#else
  return reinterpret_cast<CreateExternal>(dlsym(RTLD_DEFAULT, kName));
#endif
}

// A buffer's reference. Where an environment is about to end, Node may refuse a buffer and yet
// call its finalizer later. So the reference is given back by whichever comes first, and this
// object itself goes with the finalizer, or never.
class MappingReference {
 public:
  static MappingReference* New(Mapping* mapping) {
    MappingReference* reference = new (std::nothrow) MappingReference(mapping);
    if (reference != nullptr) mapping->AddReference();
    return reference;
  }
  // The buffer was refused.
  void Abandon() { GiveBack(); }
  // On any thread, also when no environment is left.
  void Finish() {
    GiveBack();
    delete this;
  }

 private:
  explicit MappingReference(Mapping* mapping) : mapping_(mapping) {}
  void GiveBack() {
    Mapping* mapping = mapping_.exchange(nullptr);
    if (mapping != nullptr) mapping->Release();
  }

  std::atomic<Mapping*> mapping_;
};

void NAPI_CDECL Finish(void*, void* hint) { static_cast<MappingReference*>(hint)->Finish(); }
void NAPI_CDECL FinishInEnv(napi_env, void*, void* hint) {
  static_cast<MappingReference*>(hint)->Finish();
}

MappingReference* NewReference(napi_env env, Mapping* mapping) {
  MappingReference* reference = MappingReference::New(mapping);
  if (reference == nullptr) ThrowStatus(env, {ENOMEM, "new"});
  return reference;
}

// Made by V8 itself, from one store for all threads: until Node-API had the function, V8 freed a
// waiting thread's entry if another store lay at the same address.
napi_value NewSharedBufferOfV8(napi_env env, Mapping* mapping) {
  Mapping::Attachment* attachment = mapping->attachment();
  const std::lock_guard<std::mutex> guard(attachment->mutex);
  if (!attachment->value) attachment->value = {NewSharedStore(), EndSharedStore};
  if (attachment->value) {
    MappingReference* reference = NewReference(env, mapping);
    if (reference == nullptr) return nullptr;
    bool held = false;
    napi_value result = NewSharedBufferByV8(attachment->value.get(), mapping->data(),
                                            mapping->length(), Finish, reference, &held);
    if (!held) reference->Finish();
    if (result != nullptr) return result;
  }
  ThrowUnsupported(
      env,
      "this runtime cannot make a SharedArrayBuffer over mapped memory: it needs Node 22.23.3, "
      "24.16.0, 26.1.0 or newer (on Linux and macOS any Node from 20.19)");
  return nullptr;
}

}  // namespace

napi_value NewSharedBuffer(napi_env env, Mapping* mapping) {
  static const CreateExternal create = LookUp();
  if (create == nullptr) return NewSharedBufferOfV8(env, mapping);
  MappingReference* reference = NewReference(env, mapping);
  if (reference == nullptr) return nullptr;
  napi_value result;
  const napi_status status =
      create(env, mapping->data(), mapping->length(), Finish, reference, &result);
  if (status == napi_ok) return result;
  reference->Abandon();
  ThrowUnsupported(
      env, status == napi_no_external_buffers_allowed
               ? "this runtime does not allow memory of its own outside V8's cage (Electron)"
               : "this runtime refused to make a SharedArrayBuffer over mapped memory");
  return nullptr;
}

napi_value NewAlias(napi_env env, Mapping* mapping, platform::Span span) {
  MappingReference* reference = NewReference(env, mapping);
  if (reference == nullptr) return nullptr;
  napi_value result;
  const napi_status status = napi_create_external_arraybuffer(
      env, mapping->data() + span.offset, span.length, FinishInEnv, reference, &result);
  if (status == napi_ok) return result;
  reference->Abandon();
  ThrowMisuse(env, "this runtime refused an ArrayBuffer over mapped memory");
  return nullptr;
}
