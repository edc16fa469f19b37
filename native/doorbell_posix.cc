// Linux and macOS: a bell is a FIFO that libuv polls; a token is written into it in one piece.
#include "doorbell.h"

#include <cerrno>
#include <fcntl.h>
#include <new>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace platform {

struct Bell {
  uv_poll_t poll;
  File fifo;
  std::string path;
  BellCallback rung;
  BellCallback closed;
  void* context;
};

struct DoorbellRinger {
  File fifo;
};

namespace {

// Under a lease, so that nobody reaps it while its listener lives. EAGAIN: somebody did
// before there was one.
Status MakeFifo(const char* path, File* out) {
  if (mkfifo(path, 0600) != 0) return {errno, "mkfifo"};
  // Reading and writing, so that it never sees an end when a ringer goes.
  const int fd = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return {errno == ENOENT ? EAGAIN : errno, "open"};
  out->Adopt(fd);
  bool taken = false;
  const Status status = TryLease(*out, Lease::kShared, &taken);
  if (!status.ok()) return status;
  struct stat stats;
  if (fstat(fd, &stats) != 0) return {errno, "fstat"};
  if (!taken || stats.st_nlink == 0) return {EAGAIN, "flock"};
  return {};
}

}  // namespace

Status ListenToBell(uv_loop_t* loop, const char* path, BellCallback rung, void* context,
                    Bell** out) {
  auto bell = std::unique_ptr<Bell>(new (std::nothrow) Bell);
  if (!bell) return {ENOMEM, "new"};
  const Status status = MakeFifo(path, &bell->fifo);
  if (!status.ok()) return status;
  bell->path = path;
  bell->rung = rung;
  bell->context = context;
  bell->poll.data = bell.get();
  int error = uv_poll_init(loop, &bell->poll, bell->fifo.descriptor());
  if (error != 0) {
    (void)Unlink(path);
    return {-error, "uv_poll_init"};
  }
  // From here on the handle is known to the loop, and only uv_close may free it.
  Bell* listening = bell.release();
  uv_unref(HandleOf(listening));
  error = uv_poll_start(&listening->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
    Bell* readable = static_cast<Bell*>(poll->data);
    readable->rung(readable->context);
  });
  if (error != 0) {
    CloseBell(listening, [](void*) {});
    return {-error, "uv_poll_start"};
  }
  *out = listening;
  return {};
}

uv_handle_t* HandleOf(Bell* bell) { return reinterpret_cast<uv_handle_t*>(&bell->poll); }

Status TakeTokens(Bell* bell, uint32_t* tokens, size_t room, size_t* arrived) {
  ssize_t bytes;
  do {
    bytes = read(bell->fifo.descriptor(), tokens, room * sizeof(*tokens));
  } while (bytes < 0 && errno == EINTR);
  *arrived = bytes > 0 ? static_cast<size_t>(bytes) / sizeof(*tokens) : 0;
  if (bytes < 0 && errno != EAGAIN) return {errno, "read"};
  return {};
}

void CloseBell(Bell* bell, BellCallback closed) {
  bell->closed = closed;
  // What cannot be removed here is reaped later: its lease ends with the descriptor.
  (void)Unlink(bell->path.c_str());
  uv_poll_stop(&bell->poll);
  uv_close(HandleOf(bell), [](uv_handle_t* handle) {
    const std::unique_ptr<Bell> ending(static_cast<Bell*>(handle->data));
    ending->closed(ending->context);
  });
}

void DoorbellRingerCloser::operator()(DoorbellRinger* pull) const { delete pull; }

Status OpenDoorbellRinger(const char* path, DoorbellRingerOwner* out) {
  DoorbellRingerOwner pull(new (std::nothrow) DoorbellRinger);
  if (!pull) return {ENOMEM, "new"};
  const int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    // ENXIO: a FIFO without a reader. ENOENT: its thread has ended and removed it.
    if (errno == ENXIO || errno == ENOENT) return {};
    return {errno, "open"};
  }
  pull->fifo.Adopt(fd);
  struct stat stats;
  if (fstat(fd, &stats) != 0) return {errno, "fstat"};
  if (!S_ISFIFO(stats.st_mode) || stats.st_uid != geteuid()) return {EINVAL, "open"};
  *out = std::move(pull);
  return {};
}

Status Ring(DoorbellRinger* pull, uint32_t token, bool* rung) {
  ssize_t written;
  do {
    written = write(pull->fifo.descriptor(), &token, sizeof(token));
  } while (written < 0 && errno == EINTR);
  // A full FIFO has a listener that has yet to wake.
  *rung = written >= 0 || errno == EAGAIN;
  if (*rung || errno == EPIPE) return {};
  return {errno, "write"};
}

}  // namespace platform
