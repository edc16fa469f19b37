// The addon's Mapping class, as JavaScript sees it.
#pragma once

#include "mapping.h"

#include <napi.h>

// One thread's handle on a mapping: it owns one reference, a descriptor of the file
// and the locks taken through it. src/native/addon.ts states the types.
class MappingBinding : public Napi::ObjectWrap<MappingBinding> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit MappingBinding(const Napi::CallbackInfo& info);

 private:
  // new Mapping(fd, offset, length, access, prefault) maps; new Mapping(bytes) finds the
  // mapping that those bytes lie at the start of.
  void MapFile(const Napi::CallbackInfo& info);
  void Attach(const Napi::CallbackInfo& info);

  Napi::Value Fd(const Napi::CallbackInfo& info);
  Napi::Value SharedBuffer(const Napi::CallbackInfo& info);
  Napi::Value Alias(const Napi::CallbackInfo& info);
  Napi::Value TryLockByte(const Napi::CallbackInfo& info);
  Napi::Value UnlockByte(const Napi::CallbackInfo& info);
  Napi::Value ByteIsLocked(const Napi::CallbackInfo& info);
  Napi::Value Wait(const Napi::CallbackInfo& info);
  Napi::Value Wake(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // Each throws and returns false or null where the handle or argument will not do.
  bool CheckOpen(Napi::Env env);
  bool CheckFile(Napi::Env env);
  uint32_t* WordAt(const Napi::CallbackInfo& info);

  MappingReference mapping_;
  platform::File file_;
};
