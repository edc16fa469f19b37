// A mapped view with a reference count, shared by everything that can reach its pages.
#pragma once

#include "platform.h"

// Who holds a reference: the JavaScript handle, the SharedArrayBuffer's backing
// store, and one plain ArrayBuffer per thread. Any thread may drop the last one;
// that unmaps. Mappings are known to the process by their data address, which is
// how a thread that was handed only the SharedArrayBuffer finds the mapping again.
class Mapping {
 public:
  // Maps a part of the file, which is not empty; `*out` has one reference, the caller's.
  static platform::Status Create(const platform::File& file, const platform::MapRequest& request,
                                 Mapping** out);
  // The live mapping whose data starts at `address`, with a new reference; or null.
  static Mapping* Find(const void* address);

  void AddReference();
  void Release();

  uint8_t* data() const { return view_.data; }
  size_t length() const { return view_.length; }

 private:
  explicit Mapping(const platform::View& view) : view_(view) {}
  ~Mapping();

  const platform::View view_;
  size_t references_ = 1;  // guarded by the registry's mutex
};

// Owns one reference.
class MappingReference {
 public:
  MappingReference() = default;
  ~MappingReference() { Reset(nullptr); }
  MappingReference(const MappingReference&) = delete;
  MappingReference& operator=(const MappingReference&) = delete;

  void Reset(Mapping* owned) {
    if (mapping_ != nullptr) mapping_->Release();
    mapping_ = owned;
  }
  Mapping* get() const { return mapping_; }
  Mapping* operator->() const { return mapping_; }
  explicit operator bool() const { return mapping_ != nullptr; }

 private:
  Mapping* mapping_ = nullptr;
};
