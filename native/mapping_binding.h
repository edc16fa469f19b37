// The addon's Mapping class, as JavaScript sees it.
#pragma once

#include "binding_support.h"
#include "mapping.h"

#include <string>

// One thread's handle on a mapping: it owns one handle of it, a descriptor of the file
// and the locks taken through it. src/native/addon.ts states the types.
class MappingBinding {
 public:
  static napi_value Define(napi_env env);
  MappingBinding() = default;
  ~MappingBinding();
  MappingBinding(const MappingBinding&) = delete;
  MappingBinding& operator=(const MappingBinding&) = delete;

  // new Mapping(fd, offset, length, access, prefault, name) maps, or holds the file alone where
  // there is nothing to map; new Mapping(bytes) finds the mapping that starts at those bytes, and
  // new Mapping(name) the one that was made with that name.
  bool Open(const Call& call);

  napi_value Fd(const Call& call);
  napi_value Name(const Call& call);
  napi_value Access(const Call& call);
  napi_value SharedBuffer(const Call& call);
  napi_value Alias(const Call& call);
  napi_value TryLockByte(const Call& call);
  napi_value UnlockByte(const Call& call);
  napi_value ByteIsLocked(const Call& call);
  napi_value Wait(const Call& call);
  napi_value Wake(const Call& call);
  napi_value OwnName(const Call& call);
  napi_value Close(const Call& call);

  // Pages: mapping_pages.cc.
  napi_value Sync(const Call& call);
  napi_value Advise(const Call& call);
  napi_value LockPages(const Call& call);
  napi_value UnlockPages(const Call& call);
  napi_value Protect(const Call& call);
  napi_value Resident(const Call& call);
  napi_value Faulted(const Call& call);
  napi_value Restricted(const Call& call);
  napi_value Permits(const Call& call);

 private:
  bool MapFile(const Call& call);
  bool Attach(const Call& call);

  // Each throws and returns false or null where the handle or argument cannot be used.
  bool CheckOpen(const Call& call);
  bool CheckFile(const Call& call);
  // The first two arguments, an offset and a length within the mapping.
  bool GetSpan(const Call& call, platform::Span* out);
  uint32_t* WordAt(const Call& call);

  void CloseAll(bool discard);

  MappingHandle mapping_;
  platform::File file_;
  std::string owned_name_;     // the file to remove when this handle closes; or empty
  bool only_if_last_ = false;  // but only where nobody else holds a lease on it
};
