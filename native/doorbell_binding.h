// The doorbell of one thread: wakes its event loop when another process rings.
#pragma once

#include "platform.h"

#include <napi.h>
#include <uv.h>

// Listens on a FIFO through libuv. Each ring is a 32-bit token, written in one piece; the
// callback gets how many have arrived in the array it was given. Idle it costs nothing.
//
// The uv_poll_t belongs to the loop, not to this object: it must outlive uv_close, which
// ends asynchronously, so it lies in a State of its own that frees itself. The file goes
// with the bell, also when the environment is torn down without a word to JavaScript.
class DoorbellBinding : public Napi::ObjectWrap<DoorbellBinding> {
 public:
  static Napi::Function Define(Napi::Env env);
  // new Doorbell(fd, path, tokens: Uint32Array, callback: (count) => void)
  explicit DoorbellBinding(const Napi::CallbackInfo& info);
  ~DoorbellBinding() override;

 private:
  struct State;

  Napi::Value Ref(const Napi::CallbackInfo& info);
  Napi::Value Unref(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  State* state_ = nullptr;  // null once closed
};
