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

// An open-file-description lock on one byte: unlike POSIX record locks these do not vanish
// when the process closes some other descriptor of the file.
Status ByteLock(const File& file, int command, short kind, uint64_t offset, struct flock* lock);

}  // namespace platform
