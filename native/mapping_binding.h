// The addon's Mapping class, as JavaScript sees it.
#pragma once

#include "mapping.h"

#include <napi.h>

#include <string>

// One thread's handle on a mapping: it owns one handle of it, a descriptor of the file
// and the locks taken through it. src/native/addon.ts states the types.
class MappingBinding : public Napi::ObjectWrap<MappingBinding> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit MappingBinding(const Napi::CallbackInfo& info);
  ~MappingBinding() override;

 private:
  // new Mapping(fd, offset, length, access, prefault, name) maps, or holds the file alone
  // where there is nothing to map; new Mapping(bytes) finds the mapping that those bytes
  // lie at the start of, and new Mapping(name) the one that was made with that name.
  void MapFile(const Napi::CallbackInfo& info);
  void Attach(const Napi::CallbackInfo& info);

  Napi::Value Fd(const Napi::CallbackInfo& info);
  Napi::Value Name(const Napi::CallbackInfo& info);
  Napi::Value Access(const Napi::CallbackInfo& info);
  Napi::Value SharedBuffer(const Napi::CallbackInfo& info);
  Napi::Value Alias(const Napi::CallbackInfo& info);
  Napi::Value TryLockByte(const Napi::CallbackInfo& info);
  Napi::Value UnlockByte(const Napi::CallbackInfo& info);
  Napi::Value ByteIsLocked(const Napi::CallbackInfo& info);
  Napi::Value Wait(const Napi::CallbackInfo& info);
  Napi::Value Wake(const Napi::CallbackInfo& info);
  Napi::Value OwnName(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // Pages: mapping_pages.cc.
  Napi::Value Sync(const Napi::CallbackInfo& info);
  Napi::Value Advise(const Napi::CallbackInfo& info);
  Napi::Value LockPages(const Napi::CallbackInfo& info);
  Napi::Value UnlockPages(const Napi::CallbackInfo& info);
  Napi::Value Protect(const Napi::CallbackInfo& info);
  Napi::Value Resident(const Napi::CallbackInfo& info);
  Napi::Value Faulted(const Napi::CallbackInfo& info);
  Napi::Value Restricted(const Napi::CallbackInfo& info);
  Napi::Value Permits(const Napi::CallbackInfo& info);

  // Each throws and returns false or null where the handle or argument will not do.
  bool CheckOpen(Napi::Env env);
  bool CheckFile(Napi::Env env);
  // The first two arguments, an offset and a length within the mapping.
  bool GetSpan(const Napi::CallbackInfo& info, platform::Span* out);
  uint32_t* WordAt(const Napi::CallbackInfo& info);

  void CloseAll(bool discard);

  MappingHandle mapping_;
  platform::File file_;
  std::string owned_name_;    // the file to remove when this handle closes; or empty
  bool only_if_last_ = false;  // but only where nobody else holds a lease on it
};
