// The addon's entry: its exports, and what belongs to one environment.
#include "doorbell_ringer_binding.h"
#include "binding_support.h"
#include "doorbell_binding.h"
#include "faults.h"
#include "mapping_binding.h"

namespace {

// reserve(fd, length): see platform::Reserve.
Napi::Value Reserve(const Napi::CallbackInfo& info) {
  uint64_t fd, length;
  if (!GetOffset(info, 0, &fd) || !GetOffset(info, 1, &length)) return Napi::Value();
  platform::File file;
  platform::Status status = file.Duplicate(static_cast<int>(fd));
  if (status.ok()) status = platform::Reserve(file, length);
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return info.Env().Undefined();
}

// tryLease(fd, exclusive): see platform::TryLease. The lock belongs to the open file,
// and so outlives the descriptor duplicated here.
Napi::Value TryLease(const Napi::CallbackInfo& info) {
  uint64_t fd, exclusive;
  if (!GetOffset(info, 0, &fd) || !GetOffset(info, 1, &exclusive)) return Napi::Value();
  platform::File file;
  bool taken = false;
  platform::Status status = file.Duplicate(static_cast<int>(fd));
  if (status.ok()) {
    status = platform::TryLease(
        file, exclusive != 0 ? platform::Lease::kExclusive : platform::Lease::kShared, &taken);
  }
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return Napi::Boolean::New(info.Env(), taken);
}

// detach(buffer): leaves an ArrayBuffer and every view of it with a length of 0.
Napi::Value Detach(const Napi::CallbackInfo& info) {
  if (!info[0].IsArrayBuffer() ||
      napi_detach_arraybuffer(info.Env(), info[0]) != napi_ok) {
    ThrowMisuse(info.Env(), "expected an ArrayBuffer that can be detached");
  }
  return info.Env().Undefined();
}

// The counter of platform::state_changes, for JavaScript to read in place.
Napi::Value StateChanges(Napi::Env env) {
  napi_value buffer;
  const napi_status status =
      napi_create_external_arraybuffer(env, &platform::state_changes, sizeof(uint32_t),
                                       [](napi_env, void*, void*) {}, nullptr, &buffer);
  if (status != napi_ok) {
    // The first buffer of this kind: a runtime that does not allow any shows here.
    ThrowMisuse(env, status == napi_no_external_buffers_allowed
                         ? "this runtime allows no memory of its own outside V8's cage"
                         : "this runtime refused an ArrayBuffer over memory of the addon");
    return Napi::Value();
  }
  return Napi::Uint32Array::New(env, 1, Napi::ArrayBuffer(env, buffer), 0);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  platform::PinLibrary();
  exports.Set("Mapping", MappingBinding::Define(env));
  exports.Set("Doorbell", DoorbellBinding::Define(env));
  exports.Set("DoorbellRinger", DoorbellRingerBinding::Define(env));
  exports.Set("reserve", Napi::Function::New<Reserve>(env, "reserve"));
  exports.Set("tryLease", Napi::Function::New<TryLease>(env, "tryLease"));
  exports.Set("detach", Napi::Function::New<Detach>(env, "detach"));
  exports.Set("stateChanges", StateChanges(env));
  exports.Set("pageSize", Napi::Number::New(env, static_cast<double>(platform::PageSize())));
  return exports;
}

}  // namespace

NODE_API_MODULE(mmap_transport, Init)
