// What Linux and macOS do alike.
#include "platform_posix.h"

#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace platform {

Status File::Duplicate(int fd) {
  Close();
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return {errno, "fcntl"};
  handle_ = copy;
  return {};
}

void File::Close() {
  // The result is of no use: on Linux the descriptor is gone even after EINTR.
  if (is_open()) close(static_cast<int>(handle_));
  handle_ = kNone;
}

void File::Adopt(int fd) {
  Close();
  handle_ = fd;
}

int File::Release() {
  const int fd = descriptor();
  handle_ = kNone;
  return fd;
}

int File::descriptor() const { return static_cast<int>(handle_); }

#ifndef MAP_POPULATE
#define MAP_POPULATE 0
#endif

Status Map(const File& file, const MapRequest& request, View* out) {
  const uint64_t page = PageSize();
  const size_t lead = static_cast<size_t>(request.offset % page);
  const int protection = request.access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  const int flags = (request.access == Access::kCopyOnWrite ? MAP_PRIVATE : MAP_SHARED) |
                    (request.prefault ? MAP_POPULATE : 0);
  void* base = mmap(nullptr, lead + request.length, protection, flags,
                    static_cast<int>(file.handle()), static_cast<off_t>(request.offset - lead));
  if (base == MAP_FAILED) return {errno, "mmap"};
  out->base = static_cast<uint8_t*>(base);
  out->mapped = lead + request.length;
  out->data = out->base + lead;
  out->length = request.length;
  return {};
}

void Unmap(const View& view) {
  if (view.base != nullptr) munmap(view.base, view.mapped);
}

size_t PageSize() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

namespace {

int FlagsOf(Protection protection) {
  switch (protection) {
    case Protection::kRead:
      return PROT_READ;
    case Protection::kReadWrite:
      return PROT_READ | PROT_WRITE;
    default:
      return PROT_NONE;
  }
}

}  // namespace

Status LockPages(const View& view, Span span) {
  const Span pages = PagesOf(view, span);
  if (mlock(view.base + pages.offset, pages.length) != 0) return {errno, "mlock"};
  return {};
}

Status UnlockPages(const View& view, Span span) {
  const Span pages = PagesOf(view, span);
  if (munlock(view.base + pages.offset, pages.length) != 0) return {errno, "munlock"};
  return {};
}

// Where the file was opened for reading only, the system itself refuses kReadWrite.
Status Protect(const View& view, Span span, Protection protection, Access) {
  const Span pages = PagesOf(view, span);
  if (mprotect(view.base + pages.offset, pages.length, FlagsOf(protection)) != 0) {
    return {errno, "mprotect"};
  }
  return {};
}

// One call replaces the pages; other threads see the old ones or zeros, never a gap. The kernel
// joins neighbouring ranges that were replaced in this way.
Blanked Blank(const View& view, Access access) {
  const int protection =
      FlagsOf(access == Access::kRead ? Protection::kRead : Protection::kReadWrite);
#ifdef MAP_NORESERVE
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
#else
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
#endif
  void* result = mmap(view.base, view.mapped, protection, kFlags, -1, 0);
  return result == view.base ? Blanked::kDone : Blanked::kUnsupported;
}

Status FindStranger(const char*, Stranger*) { return {ENOSYS, "GetKernelObjectSecurity"}; }
Status MakePrivateDirectory(const char*) { return {ENOSYS, "CreateDirectory"}; }

Status Unlink(const char* path) {
  if (unlink(path) != 0 && errno != ENOENT) return {errno, "unlink"};
  return {};
}

Status ByteLock(const File& file, int command, short kind, uint64_t offset, struct flock* lock) {
  *lock = {};
  lock->l_type = kind;
  lock->l_whence = SEEK_SET;
  lock->l_start = static_cast<off_t>(offset);
  lock->l_len = 1;
  int result;
  do {
    result = fcntl(static_cast<int>(file.handle()), command, lock);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return {errno, "fcntl"};
  return {};
}

namespace {

// Waits for a byte's lock, a second or so. False where it cannot be had.
bool LockByteSoon(const File& file, uint64_t offset) {
  constexpr int kAttempts = 1000;
  constexpr timespec kPause = {0, 1000000};
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    bool taken = false;
    if (!TryLockByte(file, offset, &taken).ok()) return false;
    if (taken) return true;
    nanosleep(&kPause, nullptr);
  }
  return false;
}

Status GrowNow(int fd, uint64_t length) {
  struct stat stats;
  if (fstat(fd, &stats) != 0) return {errno, "fstat"};
  if (static_cast<uint64_t>(stats.st_size) >= length) return {};
  int result;
  do {
    result = ftruncate(fd, static_cast<off_t>(length));
  } while (result != 0 && errno == EINTR);
  if (result != 0) return {errno, "ftruncate"};
  return {};
}

}  // namespace

// Between its two calls another one could make the file longer still, and this one cut it. No call
// rules that out; among processes that use this package a lock does, where there are locks.
Status Grow(const File& file, uint64_t length) {
  constexpr uint64_t kGrowingByte = (uint64_t{1} << 60) + 1;
  const bool locked = LockByteSoon(file, kGrowingByte);
  const Status status = GrowNow(file.descriptor(), length);
  if (locked) (void)UnlockByte(file, kGrowingByte);
  return status;
}

Status TryLockByte(const File& file, uint64_t offset, bool* taken) {
  struct flock lock;
  const Status status = ByteLock(file, F_OFD_SETLK, F_WRLCK, offset, &lock);
  *taken = status.ok();
  if (status.error == EAGAIN || status.error == EACCES) return {};
  return status;
}

Status UnlockByte(const File& file, uint64_t offset) {
  struct flock lock;
  return ByteLock(file, F_OFD_SETLK, F_UNLCK, offset, &lock);
}

Status ByteIsLocked(const File& file, uint64_t offset, bool* locked) {
  struct flock lock;
  const Status status = ByteLock(file, F_OFD_GETLK, F_WRLCK, offset, &lock);
  *locked = status.ok() && lock.l_type != F_UNLCK;
  return status;
}

}  // namespace platform
