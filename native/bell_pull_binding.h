// The other end of a doorbell: what a peer pulls to wake another thread's event loop.
#pragma once

#include "bell.h"

#include <napi.h>

class BellPullBinding : public Napi::ObjectWrap<BellPullBinding> {
 public:
  static Napi::Function Define(Napi::Env env);
  // new BellPull(path)
  explicit BellPullBinding(const Napi::CallbackInfo& info);

 private:
  // ring(token): false where nobody listens any more
  Napi::Value Ring(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  platform::BellPullOwner pull_;  // empty where nobody listens
};
