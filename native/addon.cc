// The addon's entry: its exports, and what belongs to one environment.
#include "bell_pull_binding.h"
#include "binding_support.h"
#include "doorbell_binding.h"
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

// makeFifo(path): see platform::MakeFifo.
Napi::Value MakeFifo(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) {
    ThrowMisuse(info.Env(), "expected a path");
    return Napi::Value();
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const platform::Status status = platform::MakeFifo(path.c_str());
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  platform::PinLibrary();
  exports.Set("Mapping", MappingBinding::Define(env));
  exports.Set("Doorbell", DoorbellBinding::Define(env));
  exports.Set("BellPull", BellPullBinding::Define(env));
  exports.Set("makeFifo", Napi::Function::New<MakeFifo>(env, "makeFifo"));
  exports.Set("reserve", Napi::Function::New<Reserve>(env, "reserve"));
  exports.Set("tryLease", Napi::Function::New<TryLease>(env, "tryLease"));
  return exports;
}

}  // namespace

NODE_API_MODULE(mmap_transport, Init)
