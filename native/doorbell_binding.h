// The doorbell of one thread: wakes its event loop when another process rings.
#pragma once

#include "binding_support.h"
#include "doorbell.h"

// Listens through libuv. Each ring is a 32-bit token, and each token a callback of its own, as
// if libuv had called it: process.nextTick and microtasks run before the next one, and what it
// throws is an uncaught exception at once. Idle it costs nothing.
//
// The bell belongs to the loop, not to this object: it ends asynchronously, and so what it
// calls lies in a State of its own that frees itself. The bell's name goes with it, also when
// the environment is torn down without a word to JavaScript.
class DoorbellBinding {
 public:
  static napi_value Define(napi_env env);
  DoorbellBinding() = default;
  ~DoorbellBinding();
  DoorbellBinding(const DoorbellBinding&) = delete;
  DoorbellBinding& operator=(const DoorbellBinding&) = delete;

  // new Doorbell(path, making, callback: (token) => void)
  bool Open(const Call& call);

  napi_value Ref(const Call& call);
  napi_value Unref(const Call& call);
  napi_value Close(const Call& call);

 private:
  struct State;
  State* state_ = nullptr;  // null once closed
};
