#include "shared_buffer.h"

#include "shared_buffer_v8.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace {

using Finalizer = void(NAPI_CDECL*)(void* data, void* hint);
using CreateExternal = napi_status(NAPI_CDECL*)(napi_env env, void* data, size_t length,
                                                Finalizer finalizer, void* hint,
                                                napi_value* result);

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

// Runs on any thread, even when no environment is left: it only drops a reference.
void NAPI_CDECL ReleaseMapping(void*, void* hint) { static_cast<Mapping*>(hint)->Release(); }

}  // namespace

Napi::Value NewSharedBuffer(Napi::Env env, Mapping* mapping) {
  static const CreateExternal create = LookUp();
  if (create != nullptr) {
    mapping->AddReference();
    napi_value result;
    const napi_status status =
        create(env, mapping->data(), mapping->length(), ReleaseMapping, mapping, &result);
    if (status == napi_ok) return Napi::Value(env, result);
    mapping->Release();
    Napi::Error error = Napi::Error::New(
        env, status == napi_no_external_buffers_allowed
                 ? "this runtime does not allow memory of its own outside V8's cage (Electron)"
                 : "this runtime refused to make a SharedArrayBuffer over mapped memory");
    error.Set("code", "ERR_UNSUPPORTED");
    error.ThrowAsJavaScriptException();
    return Napi::Value();
  }
  mapping->AddReference();
  napi_value result = NewSharedBufferByV8(mapping->data(), mapping->length(), ReleaseMapping,
                                          mapping);
  if (result != nullptr) return Napi::Value(env, result);
  mapping->Release();
  Napi::Error error = Napi::Error::New(
      env,
      "this runtime cannot make a SharedArrayBuffer over mapped memory: it needs Node 22.23.3, "
      "24.16.0, 26.1.0 or newer (on Linux and macOS any Node from 20.19)");
  error.Set("code", "ERR_UNSUPPORTED");
  error.ThrowAsJavaScriptException();
  return Napi::Value();
}
