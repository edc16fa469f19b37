// Small helpers that every binding file needs.
#pragma once

#include "platform.h"

#include <napi.h>

// Throws an Error with `errno` and `syscall`; src/native/addon.ts names the code.
inline void ThrowStatus(Napi::Env env, const platform::Status& status) {
  Napi::Error error = Napi::Error::New(env, status.call);
  error.Set("errno", Napi::Number::New(env, status.error));
  error.Set("syscall", Napi::String::New(env, status.call));
  error.ThrowAsJavaScriptException();
}

// A mistake of our own TypeScript, not of a user: the types there should exclude it.
inline void ThrowMisuse(Napi::Env env, const char* message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
}

// A number argument that is a whole, non-negative, safe integer.
inline bool GetOffset(const Napi::CallbackInfo& info, size_t index, uint64_t* out) {
  if (info[index].IsNumber()) {
    const double value = info[index].As<Napi::Number>().DoubleValue();
    if (value >= 0 && value <= 9007199254740991.0) {
      *out = static_cast<uint64_t>(value);
      if (static_cast<double>(*out) == value) return true;
    }
  }
  ThrowMisuse(info.Env(), "expected a non-negative safe integer");
  return false;
}
