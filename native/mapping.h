// A mapped view with a reference count, shared by everything that can reach its pages.
#pragma once

#include "faults.h"
#include "platform.h"

#include <memory>
#include <mutex>
#include <string>

// Two counts. A *reference* is anything through which the pages can still be touched: a
// handle, the SharedArrayBuffer's backing store, a plain ArrayBuffer. Any thread may drop
// the last one; that unmaps. A *handle* belongs to a user that still works with the
// mapping. If any handle was closed with `discard`, the pages are given back with the last
// handle, although views are left, and those read zeros from then on.
//
// Mappings are known to the process by their data address, which is how a thread that was
// handed only the SharedArrayBuffer finds the mapping again.
class Mapping {
 public:
  // Maps a part of the file, which is not empty; `*out` has one handle, the caller's.
  // `name` is what errors call it; copied.
  static platform::Status Create(const platform::File& file, const platform::MapRequest& request,
                                 const char* name, Mapping** out);
  // The live mapping whose data starts at `address`, with a new handle; or null.
  static Mapping* Find(const void* address);
  // A live mapping of that name, any where there are several, with a new handle; or null.
  // Looks at all of them: for calls made once per thread.
  static Mapping* FindByName(const char* name);

  void AddReference();
  void Release();
  // Gives up a handle and its reference. `discard` asks that the pages go with the last.
  void ReleaseHandle(bool discard);

  // Call it before the file that it was made with is closed.
  void ForgetFile();

  // Removes a name when the pages are unmapped. Until then the file stays open, with the lease that
  // was taken on it: nobody can begin to use what is about to go.
  void UnlinkAfter(std::string path, platform::File* file);

  // Sets what the process may do with the pages, and keeps a record of it.
  platform::Status Protect(platform::Span span, platform::Protection protection);
  // Whether reading, or with `write` writing, all of the span is allowed.
  bool Permits(platform::Span span, bool write);
  // Whether Protect has been used, so that Permits must be asked.
  bool restricted();
  bool faulted() const { return platform::HasFaulted(watch_); }

  const platform::View& view() const { return view_; }
  uint8_t* data() const { return view_.data; }
  size_t length() const { return view_.length; }
  platform::Access access() const { return access_; }
  const char* name() const { return name_.get(); }

  // What a binding keeps with the mapping, under a mutex of its own; it ends with the mapping.
  struct Attachment {
    std::mutex mutex;
    std::unique_ptr<void, void (*)(void*)> value{nullptr, nullptr};
  };
  Attachment* attachment() { return &attachment_; }

 private:
  Mapping(const platform::View& view, platform::Access access) : view_(view), access_(access) {}
  ~Mapping();

  const platform::View view_;
  const platform::Access access_;
  std::unique_ptr<char[]> name_;
  platform::Watch* watch_ = nullptr;
  Attachment attachment_;
  // Guarded by the registry's mutex.
  std::string unlink_after_;  // or empty
  platform::File leased_;     // the file of that name
  size_t references_ = 1;
  size_t handles_ = 1;
  bool discard_ = false;
  std::unique_ptr<platform::Protection[]> protections_;  // one per page, once Protect is used
};

// Owns one handle.
class MappingHandle {
 public:
  MappingHandle() = default;
  ~MappingHandle() { Close(false); }
  MappingHandle(const MappingHandle&) = delete;
  MappingHandle& operator=(const MappingHandle&) = delete;

  void Take(Mapping* owned) { mapping_ = owned; }
  void Close(bool discard) {
    if (mapping_ != nullptr) mapping_->ReleaseHandle(discard);
    mapping_ = nullptr;
  }
  Mapping* get() const { return mapping_; }
  Mapping* operator->() const { return mapping_; }
  explicit operator bool() const { return mapping_ != nullptr; }

 private:
  Mapping* mapping_ = nullptr;
};
