// What the POSIX platform files share among themselves.
#pragma once

#include "platform.h"

#include <fcntl.h>

// macOS has these, and hides them from older SDKs.
#ifndef F_OFD_SETLK
#define F_OFD_SETLK 90
#define F_OFD_GETLK 92
#endif

namespace platform {

// A limit of milliseconds, not negative, in whole nanoseconds: at least 1, since to some calls
// 0 means without end, and at most some 146 years.
inline uint64_t NanosecondsOf(double milliseconds) {
  constexpr uint64_t kMost = UINT64_MAX / 4;
  const double nanoseconds = milliseconds * 1e6;
  if (nanoseconds < 1) return 1;
  return nanoseconds < static_cast<double>(kMost) ? static_cast<uint64_t>(nanoseconds) : kMost;
}

// An open-file-description lock on one byte: unlike POSIX record locks these do not vanish
// when the process closes some other descriptor of the file.
Status ByteLock(const File& file, int command, short kind, uint64_t offset, struct flock* lock);

// Makes a file at least `length` bytes long, where its system cannot do so in one step.
Status Grow(const File& file, uint64_t length);

}  // namespace platform
