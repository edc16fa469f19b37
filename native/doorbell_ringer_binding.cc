#include "doorbell_ringer_binding.h"

#include <string>

napi_value DoorbellRingerBinding::Define(napi_env env) {
  return DefineClass<DoorbellRingerBinding>(
      env, "DoorbellRinger",
      {
          Method<DoorbellRingerBinding, &DoorbellRingerBinding::Ring>("ring"),
          Method<DoorbellRingerBinding, &DoorbellRingerBinding::Close>("close"),
      });
}

// The path's bytes are a peer's word: the platform checks them whole.
bool DoorbellRingerBinding::Open(const Call& call) {
  std::string path;
  if (!GetString(call, 0, &path)) return false;
  const platform::Status status = platform::OpenDoorbellRinger(path, &ringer_);
  if (!status.ok()) ThrowStatus(call.env(), status);
  return status.ok();
}

napi_value DoorbellRingerBinding::Ring(const Call& call) {
  uint64_t token;
  if (!GetOffset(call, 0, &token)) return nullptr;
  bool rung = false;
  if (ringer_) {
    const platform::Status status =
        platform::Ring(ringer_.get(), static_cast<uint32_t>(token), &rung);
    if (!status.ok()) {
      ThrowStatus(call.env(), status);
      return nullptr;
    }
  }
  return NewBoolean(call.env(), rung);
}

napi_value DoorbellRingerBinding::Close(const Call& call) {
  ringer_.reset();
  return Undefined(call.env());
}

napi_value IsBellDead(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::string path;
  if (!call.ok() || !GetString(call, 0, &path)) return nullptr;
  bool dead = false;
  const platform::Status status = platform::IsBellDead(path, &dead);
  if (!status.ok()) {
    ThrowStatus(env, status);
    return nullptr;
  }
  return NewBoolean(env, dead);
}
