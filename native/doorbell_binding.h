// The doorbell of one thread: wakes its event loop when another process rings.
#pragma once

#include "doorbell.h"

#include <napi.h>

// Listens through libuv. Each ring is a 32-bit token; the callback gets how many have
// arrived in the array it was given. Idle it costs nothing.
//
// The bell belongs to the loop, not to this object: it ends asynchronously, and so what it
// calls lies in a State of its own that frees itself. The bell's name goes with it, also when
// the environment is torn down without a word to JavaScript.
class DoorbellBinding : public Napi::ObjectWrap<DoorbellBinding> {
 public:
  static Napi::Function Define(Napi::Env env);
  // new Doorbell(path, tokens: Uint32Array, callback: (count) => void)
  explicit DoorbellBinding(const Napi::CallbackInfo& info);
  ~DoorbellBinding() override;

 private:
  struct State;

  Napi::Value Ref(const Napi::CallbackInfo& info);
  Napi::Value Unref(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  State* state_ = nullptr;  // null once closed
};
