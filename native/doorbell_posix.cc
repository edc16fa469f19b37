// Linux and macOS: a bell is a FIFO that libuv polls; a token is written into it in one piece.
//
// Whether its listener lives is asked of the FIFO itself: opening it for writing without waiting
// fails with ENXIO where nobody has it open for reading. There is no lock on it, since macOS has
// none for a FIFO. A bell gets its name only when its listener already has it open, so that what
// has no reader under that name will never have one again.
#include "doorbell.h"

#include <cerrno>
#include <fcntl.h>
#include <new>
#include <poll.h>
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
  std::string path;
};

namespace {

// Open and named, or nothing is left of it.
Status MakeFifo(const std::string& path, const std::string& making, File* out) {
  if (mkfifo(making.c_str(), 0600) != 0) return {errno, "mkfifo"};
  // Reading and writing, so that it never sees an end when a ringer goes.
  const int fd = open(making.c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    // Until now it looked like one whose maker was killed, and may have been removed as one.
    const Status status = {errno == ENOENT ? EAGAIN : errno, "open"};
    (void)Unlink(making.c_str());
    return status;
  }
  out->Adopt(fd);
  if (rename(making.c_str(), path.c_str()) != 0) {
    const Status status = {errno == ENOENT ? EAGAIN : errno, "rename"};
    (void)Unlink(making.c_str());
    return status;
  }
  return {};
}

bool IsOurFifo(const struct stat& stats) {
  return S_ISFIFO(stats.st_mode) && stats.st_uid == geteuid() && (stats.st_mode & 077) == 0;
}

// Opens the writing end; `*fd` is -1 where there is no such bell, or `*dead` one that nobody
// listens to. Checked before it is opened, since opening something else of that name may have
// effects, and after, since it may be another file by then.
Status OpenForRinging(const std::string& path, int* fd, bool* dead) {
  *fd = -1;
  *dead = false;
  if (!IsBellPath(path)) return {EINVAL, "open"};
  struct stat stats;
  if (lstat(path.c_str(), &stats) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return {errno, "lstat"};
  }
  if (!IsOurFifo(stats)) return {EINVAL, "open"};
  const int opened = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (opened < 0) {
    *dead = errno == ENXIO;
    if (errno == ENXIO || errno == ENOENT) return {};
    return {errno, "open"};
  }
  File guard;
  guard.Adopt(opened);
  if (fstat(opened, &stats) != 0) return {errno, "fstat"};
  if (!IsOurFifo(stats)) return {EINVAL, "open"};
  *fd = guard.Release();
  return {};
}

// Whether all readers have gone.
bool HasLostReader(const File& fifo) {
  pollfd asked = {fifo.descriptor(), POLLOUT, 0};
  return poll(&asked, 1, 0) == 1 && (asked.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace

Status ListenToBell(uv_loop_t* loop, const std::string& path, const std::string& making,
                    BellCallback rung, void* context, Bell** out) {
  if (!IsBellPath(path) || !IsBellPath(making)) return {EINVAL, "mkfifo"};
  auto bell = std::unique_ptr<Bell>(new (std::nothrow) Bell);
  if (!bell) return {ENOMEM, "new"};
  const Status status = MakeFifo(path, making, &bell->fifo);
  if (!status.ok()) return status;
  bell->path = path;
  bell->rung = rung;
  bell->context = context;
  bell->poll.data = bell.get();
  int error = uv_poll_init(loop, &bell->poll, bell->fifo.descriptor());
  if (error != 0) {
    (void)Unlink(path.c_str());
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
  // What cannot be removed here is reaped later: it has no reader then.
  (void)Unlink(bell->path.c_str());
  uv_poll_stop(&bell->poll);
  uv_close(HandleOf(bell), [](uv_handle_t* handle) {
    const std::unique_ptr<Bell> ending(static_cast<Bell*>(handle->data));
    ending->closed(ending->context);
  });
  // libuv has let go of the descriptor, and only its handle is left to the loop.
  bell->fifo.Close();
}

void DoorbellRingerCloser::operator()(DoorbellRinger* ringer) const {
  if (HasLostReader(ringer->fifo)) (void)Unlink(ringer->path.c_str());
  delete ringer;
}

Status OpenDoorbellRinger(const std::string& path, DoorbellRingerOwner* out) {
  std::unique_ptr<DoorbellRinger> ringer(new (std::nothrow) DoorbellRinger);
  if (!ringer) return {ENOMEM, "new"};
  int fd;
  bool dead;
  const Status status = OpenForRinging(path, &fd, &dead);
  if (!status.ok()) return status;
  if (dead) (void)Unlink(path.c_str());
  if (fd < 0) return {};
  ringer->fifo.Adopt(fd);
  ringer->path = path;
  out->reset(ringer.release());
  return {};
}

Status Ring(DoorbellRinger* ringer, uint32_t token, bool* rung) {
  ssize_t written;
  do {
    written = write(ringer->fifo.descriptor(), &token, sizeof(token));
  } while (written < 0 && errno == EINTR);
  // A full FIFO has a listener that has yet to wake.
  *rung = written >= 0 || errno == EAGAIN;
  if (*rung || errno == EPIPE) return {};
  return {errno, "write"};
}

Status IsBellDead(const std::string& path, bool* dead) {
  int fd;
  const Status status = OpenForRinging(path, &fd, dead);
  File closing;
  if (fd >= 0) closing.Adopt(fd);
  return status;
}

}  // namespace platform
