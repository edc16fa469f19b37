#include "bell_pull_binding.h"

#include "binding_support.h"

#include <string>

Napi::Function BellPullBinding::Define(Napi::Env env) {
  return DefineClass(env, "BellPull",
                     {
                         InstanceMethod<&BellPullBinding::Ring>("ring"),
                         InstanceMethod<&BellPullBinding::Close>("close"),
                     });
}

BellPullBinding::BellPullBinding(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<BellPullBinding>(info) {
  if (!info[0].IsString()) {
    ThrowMisuse(info.Env(), "expected a path");
    return;
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const platform::Status status = platform::OpenBellPull(path.c_str(), &pull_);
  if (!status.ok()) ThrowStatus(info.Env(), status);
}

Napi::Value BellPullBinding::Ring(const Napi::CallbackInfo& info) {
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

Napi::Value BellPullBinding::Close(const Napi::CallbackInfo& info) {
  pull_.reset();
  return info.Env().Undefined();
}
