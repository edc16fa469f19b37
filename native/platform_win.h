// What the Windows platform files share among themselves.
#pragma once

#include "platform.h"

#include <memory>
#include <windows.h>

namespace platform {

// The failure that Windows has just reported, as an errno value.
Status LastFailure(const char* call);

inline HANDLE HandleOf(const File& file) { return reinterpret_cast<HANDLE>(file.handle()); }

// A kernel handle that closes itself.
class Handle {
 public:
  Handle() = default;
  explicit Handle(HANDLE handle) : handle_(handle) {}
  ~Handle() { Take(nullptr); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  bool valid() const { return handle_ != nullptr && handle_ != INVALID_HANDLE_VALUE; }
  HANDLE get() const { return handle_; }
  // Closes what it has.
  void Take(HANDLE handle) {
    if (valid()) CloseHandle(handle_);
    handle_ = handle;
  }

 private:
  HANDLE handle_ = nullptr;
};

// A path as Windows takes it.
Status Widen(const char* path, std::unique_ptr<wchar_t[]>* out);

// For the maker of an object: it belongs to this user, and nobody else may open it.
Status OnlyThisUser(SECURITY_ATTRIBUTES** out);
// The user's identifier as text, for names.
Status TextOfThisUser(const wchar_t** out);
// Whether an object that is open here, with READ_CONTROL, belongs to this user.
Status IsThisUsers(HANDLE object, bool* ours);

// Which byte of which file lies at an address: the same in every process that maps it.
struct Place {
  DWORD volume;
  DWORD index_high;
  DWORD index_low;
  uint64_t offset;
};
// False where no view of this process covers the address.
bool FindPlace(const void* address, Place* out);

}  // namespace platform
