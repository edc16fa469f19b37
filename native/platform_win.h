// What the Windows platform files share among themselves.
#pragma once

#include "platform.h"

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
