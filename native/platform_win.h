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
  explicit Handle(HANDLE handle) : handle_(handle) {}
  ~Handle() {
    if (valid()) CloseHandle(handle_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  bool valid() const { return handle_ != nullptr && handle_ != INVALID_HANDLE_VALUE; }
  HANDLE get() const { return handle_; }

 private:
  HANDLE handle_;
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
