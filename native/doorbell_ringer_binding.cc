#include "doorbell_ringer_binding.h"

#include "binding_support.h"

#include <string>

Napi::Function DoorbellRingerBinding::Define(Napi::Env env) {
  return DefineClass(env, "DoorbellRinger",
                     {
                         InstanceMethod<&DoorbellRingerBinding::Ring>("ring"),
                         InstanceMethod<&DoorbellRingerBinding::Close>("close"),
                     });
}

DoorbellRingerBinding::DoorbellRingerBinding(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<DoorbellRingerBinding>(info) {
  if (!info[0].IsString()) {
    ThrowMisuse(info.Env(), "expected a path");
    return;
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const platform::Status status = platform::OpenDoorbellRinger(path.c_str(), &pull_);
  if (!status.ok()) ThrowStatus(info.Env(), status);
}

Napi::Value DoorbellRingerBinding::Ring(const Napi::CallbackInfo& info) {
  uint64_t token;
  if (!GetOffset(info, 0, &token)) return Napi::Value();
  bool rung = false;
  if (pull_) {
    const platform::Status status =
        platform::Ring(pull_.get(), static_cast<uint32_t>(token), &rung);
    if (!status.ok()) ThrowStatus(info.Env(), status);
  }
  return Napi::Boolean::New(info.Env(), rung);
}

Napi::Value DoorbellRingerBinding::Close(const Napi::CallbackInfo& info) {
  pull_.reset();
  return info.Env().Undefined();
}
