// What only macOS does this way.
#include "platform_posix.h"

#include <cerrno>
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// The waiting calls of libSystem: the first pair is public since macOS 14.4, the second is
// what libc++ itself waits with on older ones. Looked up at run time.
extern "C" {
using WaitOnAddress = int (*)(void*, uint64_t, size_t, uint32_t flags);
using WaitOnAddressFor = int (*)(void*, uint64_t, size_t, uint32_t flags, uint32_t clock,
                                 uint64_t nanoseconds);
using WakeByAddress = int (*)(void*, size_t, uint32_t flags);
using UlockWait = int (*)(uint32_t operation, void*, uint64_t value, uint32_t microseconds);
using UlockWake = int (*)(uint32_t operation, void*, uint64_t value);
}

namespace platform {

// Beyond a limit on the size of files it is EFBIG; Node ignores the signal that goes with it.
Status Reserve(const File& file, uint64_t length, bool* reserved) {
  *reserved = true;
  const int fd = file.descriptor();
  struct stat stats;
  if (fstat(fd, &stats) != 0) return {errno, "fstat"};
  if (static_cast<uint64_t>(stats.st_size) >= length) return {};
  fstore_t store = {};
  store.fst_flags = F_ALLOCATECONTIG | F_ALLOCATEALL;
  store.fst_posmode = F_PEOFPOSMODE;
  store.fst_length = static_cast<off_t>(length) - stats.st_size;
  if (fcntl(fd, F_PREALLOCATE, &store) == -1) {
    store.fst_flags = F_ALLOCATEALL;  // in pieces
    if (fcntl(fd, F_PREALLOCATE, &store) == -1) {
      if (errno != ENOTSUP) return {errno, "fcntl"};
      *reserved = false;
    }
  }
  return Grow(file, length);
}

// Not flock: here its locks and the byte locks are one kind, and a lease on the whole file
// would conflict with every byte's lock. So the lease is a byte of its own, beyond those that
// are ever locked.
Status TryLease(const File& file, Lease lease, bool* taken) {
  constexpr uint64_t kLeaseByte = uint64_t{1} << 60;
  struct flock lock;
  const short kind = lease == Lease::kShared ? F_RDLCK : F_WRLCK;
  const Status status = ByteLock(file, F_OFD_SETLK, kind, kLeaseByte, &lock);
  *taken = status.ok();
  if (status.error == EAGAIN || status.error == EACCES) return {};
  if (status.error != EBADF || lease != Lease::kExclusive) return status;
  // A descriptor for reading only cannot take an exclusive lock, but can ask whether a lock is in
  // the way. If none is, its file has no other user; a process that opens the file just then finds
  // the name removed.
  const Status asked = ByteLock(file, F_OFD_GETLK, F_WRLCK, kLeaseByte, &lock);
  *taken = asked.ok() && lock.l_type == F_UNLCK;
  return asked;
}

// msync leaves data in the drive's own cache; F_FULLFSYNC does not.
Status Sync(const File& file, const View& view, Span span, SyncRequest request) {
  const Span pages = PagesOf(view, span);
  const int flags = (request.async ? MS_ASYNC : MS_SYNC) | (request.invalidate ? MS_INVALIDATE : 0);
  if (msync(view.base + pages.offset, pages.length, flags) != 0) return {errno, "msync"};
  if (request.async || !file.is_open()) return {};
  const int fd = static_cast<int>(file.handle());
  // Some file systems know only the plain call, and a read-only file has nothing to flush.
  if (fcntl(fd, F_FULLFSYNC) == -1 && fsync(fd) != 0 && errno != EBADF) return {errno, "fsync"};
  return {};
}

// A file has a name from the beginning here.
Status LinkFile(const File&, const char*) { return {ENOSYS, "linkat"}; }

Status Advise(const View& view, Span span, Advice advice) {
  const Span pages = PagesOf(view, span);
  int number;
  switch (advice) {
    case Advice::kNormal:
      number = MADV_NORMAL;
      break;
    case Advice::kRandom:
      number = MADV_RANDOM;
      break;
    case Advice::kSequential:
      number = MADV_SEQUENTIAL;
      break;
    case Advice::kWillNeed:
      number = MADV_WILLNEED;
      break;
    case Advice::kDontNeed:
    case Advice::kCold:
      number = MADV_DONTNEED;
      break;
    default:
      return {};  // no such advice here
  }
  if (madvise(view.base + pages.offset, pages.length, number) != 0) return {errno, "madvise"};
  return {};
}

Status Resident(const View& view, Span span, uint8_t* out) {
  const Span pages = PagesOf(view, span);
  if (mincore(view.base + pages.offset, pages.length, reinterpret_cast<char*>(out)) != 0) {
    return {errno, "mincore"};
  }
  const size_t count = pages.length / PageSize();
  for (size_t i = 0; i < count; i++) out[i] &= MINCORE_INCORE;
  return {};
}

namespace {

template <typename Function>
Function LookUp(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

constexpr uint32_t kShared = 1;                // OS_SYNC_WAIT_ON_ADDRESS_SHARED, and for waking
constexpr uint32_t kMachAbsoluteTime = 32;     // OS_CLOCK_MACH_ABSOLUTE_TIME
constexpr uint32_t kCompareAndWaitShared = 3;  // UL_COMPARE_AND_WAIT_SHARED

int WaitOld(uint32_t* word, uint32_t expected, double timeout_ms) {
  static const auto wait = LookUp<UlockWait>("__ulock_wait");
  if (wait == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  uint32_t microseconds = 0;  // without end
  if (timeout_ms >= 0) {
    const uint64_t wanted = NanosecondsOf(timeout_ms) / 1000;
    microseconds = wanted < 1            ? 1
                   : wanted < UINT32_MAX ? static_cast<uint32_t>(wanted)
                                         : UINT32_MAX;
  }
  return wait(kCompareAndWaitShared, word, expected, microseconds);
}

int WaitNew(WaitOnAddressFor wait_for, uint32_t* word, uint32_t expected, double timeout_ms) {
  static const auto wait = LookUp<WaitOnAddress>("os_sync_wait_on_address");
  if (timeout_ms < 0) return wait(word, expected, sizeof(*word), kShared);
  return wait_for(word, expected, sizeof(*word), kShared, kMachAbsoluteTime,
                  NanosecondsOf(timeout_ms));
}

int WakeOne(uint32_t* word) {
  static const auto wake = LookUp<WakeByAddress>("os_sync_wake_by_address_any");
  if (wake != nullptr) return wake(word, sizeof(*word), kShared);
  static const auto wake_old = LookUp<UlockWake>("__ulock_wake");
  if (wake_old != nullptr) return wake_old(kCompareAndWaitShared, word, 0);
  errno = ENOSYS;
  return -1;
}

}  // namespace

Status Wait(const uint32_t* word, uint32_t expected, double timeout_ms, bool* woken) {
  static const auto wait_for = LookUp<WaitOnAddressFor>("os_sync_wait_on_address_with_timeout");
  uint32_t* address = const_cast<uint32_t*>(word);
  const int result = wait_for != nullptr ? WaitNew(wait_for, address, expected, timeout_ms)
                                         : WaitOld(address, expected, timeout_ms);
  *woken = result >= 0 || errno != ETIMEDOUT;
  if (result >= 0 || errno == ETIMEDOUT || errno == EINTR) return {};
  return {errno, wait_for != nullptr ? "os_sync_wait_on_address" : "__ulock_wait"};
}

Status Wake(const uint32_t* word, uint32_t count, uint32_t* woken) {
  *woken = 0;
  while (*woken < count) {
    if (WakeOne(const_cast<uint32_t*>(word)) < 0) {
      if (errno == EINTR) continue;
      if (errno == ENOENT) return {};  // nobody waits any more
      return {errno, "os_sync_wake_by_address_any"};
    }
    ++*woken;
  }
  return {};
}

// Opened once more and never closed, by the name it was loaded from.
void PinLibrary() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&PinLibrary), &info) != 0) {
    dlopen(info.dli_fname, RTLD_LAZY | RTLD_NODELETE);
  }
}

}  // namespace platform
