// What only Linux does this way.
#include "platform_posix.h"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace platform {

namespace {

bool IsUnsupported(const Status& status) {
  return status.error == EOPNOTSUPP || status.error == ENOSYS || status.error == EINVAL;
}

// Whether blocks for all of the file would fit. What ext4, XFS and btrfs have reserved until they
// run out stays reserved, so that asking for too much would fill the disk for everybody, by blocks
// that cannot be given back: others may have grown the file into them. Even a file without a name
// would fill it until it is closed. A file system that says nothing of its size is not judged.
bool HasRoom(int fd, const struct stat& stats, uint64_t length) {
  struct statfs system;
  if (fstatfs(fd, &system) != 0) return true;
  if (system.f_blocks == 0 || system.f_bsize <= 0) return true;
  const uint64_t has = static_cast<uint64_t>(stats.st_blocks) * 512;
  const uint64_t unit = static_cast<uint64_t>(system.f_bsize);
  return length <= has || (length - has) / unit <= static_cast<uint64_t>(system.f_bfree);
}

Status Allocate(int fd, int mode, uint64_t offset, uint64_t length) {
  if (fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0) return {};
  return {errno, "fallocate"};
}

// The length stays as it is. A signal makes tmpfs undo what a call has done so far, so that a timer
// could hold up a long call for ever: a profiler's comes every millisecond. Each signal halves what
// is asked for at once.
Status AllocateBlocks(int fd, uint64_t length) {
  constexpr uint64_t kLeast = 64 * 1024;
  uint64_t piece = length;
  uint64_t done = 0;
  while (done < length) {
    if (piece > length - done) piece = length - done;
    const Status status = Allocate(fd, FALLOC_FL_KEEP_SIZE, done, piece);
    if (status.ok()) {
      done += piece;
    } else if (status.error != EINTR) {
      return status;
    } else if (piece > kLeast) {
      piece /= 2;
    }
  }
  return {};
}

// This call makes a file longer, and never shorter, in one step.
Status Lengthen(int fd, uint64_t from, uint64_t to) {
  Status status;
  do {
    status = Allocate(fd, 0, from, to - from);
  } while (status.error == EINTR);
  return status;
}

}  // namespace

// The system's own call, and not posix_fallocate: that one writes into each block where there is
// no such call, over what others store there meanwhile. The blocks come first and the length last,
// so that a failure leaves the length as it was. Beyond a limit on the size of files it
// is EFBIG; Node ignores the signal that goes with it. Where a file system cannot reserve (some
// network and user-space ones) a full device is a fault, which the watch answers.
Status Reserve(const File& file, uint64_t length, bool* reserved) {
  *reserved = true;
  if (length == 0) return {};
  const int fd = file.descriptor();
  struct stat stats;
  if (fstat(fd, &stats) != 0) return {errno, "fstat"};
  // Some file systems look at this limit only when the length changes, after the blocks.
  struct rlimit limit;
  const bool longer = length > static_cast<uint64_t>(stats.st_size);
  if (longer && getrlimit(RLIMIT_FSIZE, &limit) == 0 && length > limit.rlim_cur) {
    return {EFBIG, "fallocate"};
  }
  if (!HasRoom(fd, stats, length)) return {ENOSPC, "fallocate"};
  Status status = AllocateBlocks(fd, length);
  const bool allocated = status.ok();
  if (allocated) {
    status = Lengthen(fd, length - 1, length);
  } else if (IsUnsupported(status)) {
    status = Lengthen(fd, 0, length);  // NFS and gVisor know only this kind
  }
  if (!IsUnsupported(status)) return status;
  *reserved = allocated;
  return Grow(file, length);
}

// By way of /proc: to link a descriptor itself takes a capability before Linux 6.10.
Status LinkFile(const File& file, const char* path) {
  char self[40];
  std::snprintf(self, sizeof(self), "/proc/self/fd/%d", file.descriptor());
  if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0) return {errno, "linkat"};
  return {};
}

Status TryLease(const File& file, Lease lease, bool* taken) {
  const int kind = lease == Lease::kShared ? LOCK_SH : LOCK_EX;
  int result;
  do {
    result = flock(static_cast<int>(file.handle()), kind | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  *taken = result == 0;
  if (result != 0 && errno != EWOULDBLOCK) return {errno, "flock"};
  return {};
}

Status Sync(const File&, const View& view, Span span, SyncRequest request) {
  const Span pages = PagesOf(view, span);
  const int flags = (request.async ? MS_ASYNC : MS_SYNC) | (request.invalidate ? MS_INVALIDATE : 0);
  if (msync(view.base + pages.offset, pages.length, flags) != 0) return {errno, "msync"};
  return {};
}

Status Advise(const View& view, Span span, Advice advice) {
  // In the order of Advice. The numbers of the last three are newer than some headers.
  constexpr int kMadvCold = 20;
  constexpr int kMadvPageOut = 21;
  constexpr int kMadvPopulateRead = 22;
  constexpr int kAdvice[] = {MADV_NORMAL,   MADV_RANDOM,      MADV_SEQUENTIAL, MADV_WILLNEED,
                             MADV_DONTNEED, MADV_HUGEPAGE,    MADV_NOHUGEPAGE, kMadvCold,
                             kMadvPageOut,  kMadvPopulateRead};
  const Span pages = PagesOf(view, span);
  if (madvise(view.base + pages.offset, pages.length, kAdvice[static_cast<int>(advice)]) == 0) {
    return {};
  }
  // An older kernel, one built without huge pages, or pages that this advice does not apply to.
  if (errno == EINVAL && advice > Advice::kDontNeed) return {};
  return {errno, "madvise"};
}

Status Resident(const View& view, Span span, uint8_t* out) {
  const Span pages = PagesOf(view, span);
  if (mincore(view.base + pages.offset, pages.length, out) != 0) return {errno, "mincore"};
  const size_t count = pages.length / PageSize();
  for (size_t i = 0; i < count; i++) out[i] &= 1;
  return {};
}

// The futex calls go without FUTEX_PRIVATE_FLAG: the word is known by the page it
// lies in, not by its address, so other processes and other mappings meet on it.
Status Wait(const uint32_t* word, uint32_t expected, double timeout_ms, bool* woken) {
  timespec limit;
  timespec* timeout = nullptr;
  if (timeout_ms >= 0) {
    const uint64_t nanoseconds = NanosecondsOf(timeout_ms);
    limit.tv_sec = static_cast<time_t>(nanoseconds / 1000000000);
    limit.tv_nsec = static_cast<long>(nanoseconds % 1000000000);
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
