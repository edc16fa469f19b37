// What Linux and macOS do alike.
#include "platform.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
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

int File::descriptor() const { return static_cast<int>(handle_); }

#ifndef MAP_POPULATE
#define MAP_POPULATE 0
#endif

Status Map(const File& file, const MapRequest& request, View* out) {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
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

namespace {

// Open-file-description locks: unlike POSIX record locks they do not vanish when
// the process closes some other descriptor of the file.
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

}  // namespace

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

Status MakeFifo(const char* path) {
  if (mkfifo(path, 0600) != 0) return {errno, "mkfifo"};
  return {};
}

Status RemoveFile(const char* path) {
  if (unlink(path) != 0 && errno != ENOENT) return {errno, "unlink"};
  return {};
}

Status OpenFifoToRing(const char* path, File* out, bool* listening) {
  *listening = false;
  const int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    // ENXIO: a FIFO without a reader. ENOENT: its thread has ended and removed it.
    if (errno == ENXIO || errno == ENOENT) return {};
    return {errno, "open"};
  }
  out->Adopt(fd);
  struct stat stats;
  if (fstat(fd, &stats) != 0) return {errno, "fstat"};
  if (!S_ISFIFO(stats.st_mode) || stats.st_uid != geteuid()) return {EINVAL, "open"};
  *listening = true;
  return {};
}

Status WriteToken(const File& fifo, uint32_t token, bool* rung) {
  ssize_t written;
  do {
    written = write(fifo.descriptor(), &token, sizeof(token));
  } while (written < 0 && errno == EINTR);
  *rung = written >= 0 || errno == EAGAIN;
  if (*rung || errno == EPIPE) return {};
  return {errno, "write"};
}

Status ReadTokens(const File& fifo, uint32_t* tokens, size_t room, size_t* arrived) {
  ssize_t bytes;
  do {
    bytes = read(fifo.descriptor(), tokens, room * sizeof(*tokens));
  } while (bytes < 0 && errno == EINTR);
  *arrived = bytes > 0 ? static_cast<size_t>(bytes) / sizeof(*tokens) : 0;
  if (bytes < 0 && errno != EAGAIN) return {errno, "read"};
  return {};
}

}  // namespace platform
