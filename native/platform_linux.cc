// What only Linux does this way.
#include "platform.h"

#include <cerrno>
#include <climits>
#include <ctime>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace platform {

Status Reserve(const File& file, uint64_t length) {
  int error;
  do {
    error = posix_fallocate(static_cast<int>(file.handle()), 0, static_cast<off_t>(length));
  } while (error == EINTR);
  if (error != 0) return {error, "posix_fallocate"};
  return {};
}

// The futex calls go without FUTEX_PRIVATE_FLAG: the word is known by the page it
// lies in, not by its address, so other processes and other mappings meet on it.
Status Wait(const uint32_t* word, uint32_t expected, double timeout_ms, bool* woken) {
  timespec limit;
  timespec* timeout = nullptr;
  if (timeout_ms >= 0) {
    const double seconds = timeout_ms / 1000;
    limit.tv_sec = seconds < INT_MAX ? static_cast<time_t>(seconds) : INT_MAX;
    limit.tv_nsec = static_cast<long>((seconds - static_cast<double>(limit.tv_sec)) * 1e9);
    if (limit.tv_nsec < 0 || limit.tv_nsec > 999999999) limit.tv_nsec = 999999999;
    timeout = &limit;
  }
  *woken = true;
  if (syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout, nullptr, 0) == 0) return {};
  switch (errno) {
    case EAGAIN:  // the word had already changed
    case EINTR:   // a signal: the caller looks again
      return {};
    case ETIMEDOUT:
      *woken = false;
      return {};
    default:
      return {errno, "futex"};
  }
}

Status Wake(const uint32_t* word, uint32_t count, uint32_t* woken) {
  const int limit = count > INT_MAX ? INT_MAX : static_cast<int>(count);
  const long result = syscall(SYS_futex, word, FUTEX_WAKE, limit, nullptr, nullptr, 0);
  if (result < 0) return {errno, "futex"};
  *woken = static_cast<uint32_t>(result);
  return {};
}

// The library is linked with -z nodelete, which says the same to the loader.
void PinLibrary() {}

}  // namespace platform
