// The other end of a doorbell: what a peer pulls to wake another thread's event loop.
#pragma once

#include "binding_support.h"
#include "doorbell.h"

class DoorbellRingerBinding {
 public:
  static napi_value Define(napi_env env);
  // new DoorbellRinger(path)
  bool Open(const Call& call);

  // ring(token): false where nobody listens any more
  napi_value Ring(const Call& call);
  napi_value Close(const Call& call);

 private:
  platform::DoorbellRingerOwner ringer_;  // empty where nobody listens
};

// isBellDead(path): see platform::IsBellDead.
napi_value IsBellDead(napi_env env, napi_callback_info info);
