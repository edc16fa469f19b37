// The other end of a doorbell: what a peer pulls to wake another thread's event loop.
#pragma once

#include "doorbell.h"

#include <napi.h>

class DoorbellRingerBinding : public Napi::ObjectWrap<DoorbellRingerBinding> {
 public:
  static Napi::Function Define(Napi::Env env);
  // new DoorbellRinger(path)
  explicit DoorbellRingerBinding(const Napi::CallbackInfo& info);

 private:
  // ring(token): false where nobody listens any more
  Napi::Value Ring(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  platform::DoorbellRingerOwner pull_;  // empty where nobody listens
};
