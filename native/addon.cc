// The addon's entry: its exports, and what belongs to one environment.
#include "binding_support.h"
#include "doorbell_binding.h"
#include "doorbell_ringer_binding.h"
#include "faults.h"
#include "mapping_binding.h"

namespace {

// reserve(fd, length): see platform::Reserve. True where the blocks are reserved.
napi_value Reserve(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  uint64_t fd, length;
  if (!call.ok() || !GetOffset(call, 0, &fd) || !GetOffset(call, 1, &length)) return nullptr;
  platform::File file;
  bool reserved = false;
  platform::Status status = file.Duplicate(static_cast<int>(fd));
  if (status.ok()) status = platform::Reserve(file, length, &reserved);
  if (status.ok()) return NewBoolean(env, reserved);
  ThrowStatus(env, status);
  return nullptr;
}

// linkFile(fd, path): see platform::LinkFile.
napi_value LinkFile(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  uint64_t fd;
  std::string path;
  if (!call.ok() || !GetOffset(call, 0, &fd) || !GetPath(call, 1, &path)) return nullptr;
  platform::File file;
  platform::Status status = file.Duplicate(static_cast<int>(fd));
  if (status.ok()) status = platform::LinkFile(file, path.c_str());
  return Done(call, status);
}

// tryLease(fd, exclusive): see platform::TryLease. The lock belongs to the open file,
// and so outlives the descriptor duplicated here.
napi_value TryLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  uint64_t fd, exclusive;
  if (!call.ok() || !GetOffset(call, 0, &fd) || !GetOffset(call, 1, &exclusive)) return nullptr;
  platform::File file;
  bool taken = false;
  platform::Status status = file.Duplicate(static_cast<int>(fd));
  if (status.ok()) {
    status = platform::TryLease(
        file, exclusive != 0 ? platform::Lease::kExclusive : platform::Lease::kShared, &taken);
  }
  if (status.ok()) return NewBoolean(env, taken);
  ThrowStatus(env, status);
  return nullptr;
}

// findStranger(path): see platform::FindStranger. Undefined where nobody else may.
napi_value FindStranger(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::string path;
  if (!call.ok() || !GetPath(call, 0, &path)) return nullptr;
  platform::Stranger stranger = {};
  const platform::Status status = platform::FindStranger(path.c_str(), &stranger);
  if (status.ok() && stranger.name[0] != '\0') return NewString(env, stranger.name);
  return Done(call, status);
}

// makePrivateDirectory(path): see platform::MakePrivateDirectory.
napi_value MakePrivateDirectory(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::string path;
  if (!call.ok() || !GetPath(call, 0, &path)) return nullptr;
  return Done(call, platform::MakePrivateDirectory(path.c_str()));
}

// detach(buffer): leaves an ArrayBuffer and every view of it with a length of 0.
napi_value Detach(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  if (!call.ok()) return nullptr;
  if (napi_detach_arraybuffer(env, call.argument(0)) == napi_ok) return Undefined(env);
  ThrowMisuse(env, "expected an ArrayBuffer that can be detached");
  return nullptr;
}

// The counter of platform::state_changes, for JavaScript to read in place.
napi_value StateChanges(napi_env env) {
  napi_value buffer, words;
  const napi_status status = napi_create_external_arraybuffer(
      env, &platform::state_changes, sizeof(uint32_t), [](napi_env, void*, void*) {}, nullptr,
      &buffer);
  if (status != napi_ok) {
    // The first buffer of this kind: a runtime that allows none fails here.
    ThrowMisuse(env, status == napi_no_external_buffers_allowed
                         ? "this runtime allows no memory of its own outside V8's cage"
                         : "this runtime refused an ArrayBuffer over memory of the addon");
    return nullptr;
  }
  const napi_status viewed = napi_create_typedarray(env, napi_uint32_array, 1, buffer, 0, &words);
  return viewed == napi_ok ? words : nullptr;
}

napi_value NewFunction(napi_env env, const char* name, napi_callback function) {
  napi_value result;
  const napi_status status =
      napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &result);
  return status == napi_ok ? result : nullptr;
}

// False where the environment is about to end, or has thrown.
bool Export(napi_env env, napi_value exports, const char* name, napi_value value) {
  return value != nullptr && napi_set_named_property(env, exports, name, value) == napi_ok;
}

}  // namespace

NAPI_MODULE_INIT() {
  platform::PinLibrary();
  const bool complete =
      Export(env, exports, "Mapping", MappingBinding::Define(env)) &&
      Export(env, exports, "Doorbell", DoorbellBinding::Define(env)) &&
      Export(env, exports, "DoorbellRinger", DoorbellRingerBinding::Define(env)) &&
      Export(env, exports, "isBellDead", NewFunction(env, "isBellDead", IsBellDead)) &&
      Export(env, exports, "reserve", NewFunction(env, "reserve", Reserve)) &&
      Export(env, exports, "linkFile", NewFunction(env, "linkFile", LinkFile)) &&
      Export(env, exports, "tryLease", NewFunction(env, "tryLease", TryLease)) &&
      Export(env, exports, "findStranger", NewFunction(env, "findStranger", FindStranger)) &&
      Export(env, exports, "makePrivateDirectory",
             NewFunction(env, "makePrivateDirectory", MakePrivateDirectory)) &&
      Export(env, exports, "detach", NewFunction(env, "detach", Detach)) &&
      Export(env, exports, "stateChanges", StateChanges(env)) &&
      Export(env, exports, "pageSize", NewNumber(env, static_cast<double>(platform::PageSize())));
  return complete ? exports : nullptr;
}
