// Lets one system call of a process fail, at the tester's word. It is preloaded (LD_PRELOAD), so
// that the C library's functions of these names lead here first, and loaded again as an addon, by
// which a script arms it. While it is armed it counts the calls of the arming thread, and those of
// the addon under test in any thread; the rest goes on to the C library untouched.
//
// What V8 and libuv themselves cannot live without is not counted: memory of V8's own, epoll,
// eventfds and the pipe of libuv's signals, by which threads wake each other.
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <string>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

// The few functions of Node-API that are needed, so that no header of Node's is.
extern "C" {
typedef struct napi_env__* napi_env;
typedef struct napi_value__* napi_value;
typedef struct napi_callback_info__* napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
int napi_get_value_string_utf8(napi_env, napi_value, char*, size_t, size_t*);
int napi_get_value_int32(napi_env, napi_value, int32_t*);
int napi_get_value_bool(napi_env, napi_value, bool*);
int napi_get_cb_info(napi_env, napi_callback_info, size_t*, napi_value*, napi_value*, void**);
int napi_create_object(napi_env, napi_value*);
int napi_create_array_with_length(napi_env, size_t, napi_value*);
int napi_create_string_utf8(napi_env, const char*, size_t, napi_value*);
int napi_create_int32(napi_env, int32_t, napi_value*);
int napi_set_element(napi_env, napi_value, uint32_t, napi_value);
int napi_set_named_property(napi_env, napi_value, const char*, napi_value);
int napi_create_function(napi_env, const char*, size_t, napi_callback, void*, napi_value*);
}

namespace {

constexpr size_t kToTheEnd = SIZE_MAX;

struct Entry {
  const char* name;
  bool ours;
};

std::mutex mutex;
bool armed = false;
pid_t arming_thread = 0;
std::string target;
int target_number = 0;  // from 1 on
int target_error = 0;
bool for_good = false;
int seen = 0;
int hits = 0;
std::vector<Entry> calls;
thread_local bool inside = false;

template <typename F>
F Next(F, const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

enum class Caller { kAddon, kNode, kOther };

Caller CallerOf(void* address) {
  Dl_info info;
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return Caller::kOther;
  const char* name = std::strrchr(info.dli_fname, '/');
  name = name == nullptr ? info.dli_fname : name + 1;
  if (std::strstr(name, ".node") != nullptr) return Caller::kAddon;
  return std::strcmp(name, "node") == 0 ? Caller::kNode : Caller::kOther;
}

// An eventfd, epoll or a pipe without a name: libuv's own.
bool IsOfLoop(int fd) {
  char path[40], link[64];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  const long length =
      syscall(SYS_readlinkat, AT_FDCWD, path, link, static_cast<long>(sizeof(link) - 1));
  if (length <= 0) return false;
  link[length] = 0;
  return std::strncmp(link, "anon_inode:", 11) == 0 || std::strncmp(link, "pipe:", 5) == 0;
}

// The error that this call is to fail with, or 0.
int Injected(const char* name, void* caller, bool of_addon_only, int fd) {
  if (!armed || inside) return 0;
  const Caller from = CallerOf(caller);
  if (from == Caller::kOther || (of_addon_only && from != Caller::kAddon)) return 0;
  if (from == Caller::kNode &&
      (static_cast<pid_t>(syscall(SYS_gettid)) != arming_thread || (fd >= 0 && IsOfLoop(fd)))) {
    return 0;
  }
  inside = true;
  const std::lock_guard<std::mutex> guard(mutex);
  int error = 0;
  if (armed) {
    calls.push_back({name, from == Caller::kAddon});
    if (target == name) {
      seen++;
      if (seen == target_number || (for_good && seen > target_number)) {
        error = target_error;
        hits++;
      }
    }
  }
  inside = false;
  return error;
}

int Fail(int error) {
  errno = error;
  return -1;
}

}  // namespace

#define FROM __builtin_return_address(0)
#define REAL(function) static auto real = Next(&function, #function)

extern "C" {

int open64(const char* path, int flags, ...) {
  REAL(open64);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (const int error = Injected("open", FROM, false, -1)) return Fail(error);
  return real(path, flags, mode);
}

// Always closed: so it is after an error, too.
int close(int fd) {
  REAL(close);
  const int error = armed ? Injected("close", FROM, false, fd) : 0;
  const int result = real(fd);
  return error != 0 ? Fail(error) : result;
}

ssize_t read(int fd, void* to, size_t count) {
  REAL(read);
  if (const int error = Injected("read", FROM, false, fd)) return Fail(error);
  return real(fd, to, count);
}

ssize_t pread64(int fd, void* to, size_t count, off64_t at) {
  REAL(pread64);
  if (const int error = Injected("pread", FROM, false, fd)) return Fail(error);
  return real(fd, to, count, at);
}

ssize_t write(int fd, const void* from, size_t count) {
  REAL(write);
  if (const int error = Injected("write", FROM, false, fd)) return Fail(error);
  return real(fd, from, count);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  REAL(writev);
  if (const int error = Injected("write", FROM, false, fd)) return Fail(error);
  return real(fd, parts, count);
}

ssize_t pwrite64(int fd, const void* from, size_t count, off64_t at) {
  REAL(pwrite64);
  if (const int error = Injected("pwrite", FROM, false, fd)) return Fail(error);
  return real(fd, from, count, at);
}

int fstat64(int fd, struct stat64* out) noexcept {
  REAL(fstat64);
  if (const int error = Injected("fstat", FROM, false, -1)) return Fail(error);
  return real(fd, out);
}

int lstat64(const char* path, struct stat64* out) noexcept {
  REAL(lstat64);
  if (const int error = Injected("stat", FROM, false, -1)) return Fail(error);
  return real(path, out);
}

int mkdir(const char* path, mode_t mode) noexcept {
  REAL(mkdir);
  if (const int error = Injected("mkdir", FROM, false, -1)) return Fail(error);
  return real(path, mode);
}

int rmdir(const char* path) noexcept {
  REAL(rmdir);
  if (const int error = Injected("rmdir", FROM, false, -1)) return Fail(error);
  return real(path);
}

int unlink(const char* path) noexcept {
  REAL(unlink);
  if (const int error = Injected("unlink", FROM, false, -1)) return Fail(error);
  return real(path);
}

int rename(const char* from, const char* to) noexcept {
  REAL(rename);
  if (const int error = Injected("rename", FROM, false, -1)) return Fail(error);
  return real(from, to);
}

int link(const char* from, const char* to) noexcept {
  REAL(link);
  if (const int error = Injected("link", FROM, false, -1)) return Fail(error);
  return real(from, to);
}

int linkat(int from, const char* old, int to, const char* made, int flags) noexcept {
  REAL(linkat);
  if (const int error = Injected("link", FROM, false, -1)) return Fail(error);
  return real(from, old, to, made, flags);
}

ssize_t readlink(const char* path, char* to, size_t count) noexcept {
  REAL(readlink);
  if (const int error = Injected("readlink", FROM, false, -1)) return Fail(error);
  return real(path, to, count);
}

int mkfifo(const char* path, mode_t mode) noexcept {
  REAL(mkfifo);
  if (const int error = Injected("mkfifo", FROM, false, -1)) return Fail(error);
  return real(path, mode);
}

int flock(int fd, int operation) noexcept {
  REAL(flock);
  if (const int error = Injected("flock", FROM, false, -1)) return Fail(error);
  return real(fd, operation);
}

int fcntl64(int fd, int command, ...) {
  REAL(fcntl64);
  va_list rest;
  va_start(rest, command);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  const char* name = "fcntl";
  if (command == F_DUPFD_CLOEXEC || command == F_DUPFD) name = "dup";
  if (command == F_OFD_SETLK || command == F_OFD_GETLK) name = "lock";
  if (const int error = Injected(name, FROM, std::strcmp(name, "fcntl") == 0, -1)) {
    return Fail(error);
  }
  return real(fd, command, argument);
}

int fallocate64(int fd, int mode, off64_t at, off64_t length) {
  REAL(fallocate64);
  if (const int error = Injected("fallocate", FROM, false, -1)) return Fail(error);
  return real(fd, mode, at, length);
}

int ftruncate64(int fd, off64_t length) noexcept {
  REAL(ftruncate64);
  if (const int error = Injected("ftruncate", FROM, false, -1)) return Fail(error);
  return real(fd, length);
}

int fsync(int fd) {
  REAL(fsync);
  if (const int error = Injected("fsync", FROM, false, -1)) return Fail(error);
  return real(fd);
}

void* mmap64(void* at, size_t length, int protection, int flags, int fd, off64_t offset) noexcept {
  REAL(mmap64);
  if (const int error = armed ? Injected("mmap", FROM, true, -1) : 0) {
    errno = error;
    return MAP_FAILED;
  }
  return real(at, length, protection, flags, fd, offset);
}

int madvise(void* at, size_t length, int advice) noexcept {
  REAL(madvise);
  if (const int error = armed ? Injected("madvise", FROM, true, -1) : 0) return Fail(error);
  return real(at, length, advice);
}

int mprotect(void* at, size_t length, int protection) noexcept {
  REAL(mprotect);
  if (const int error = armed ? Injected("mprotect", FROM, true, -1) : 0) return Fail(error);
  return real(at, length, protection);
}

int mlock(const void* at, size_t length) noexcept {
  REAL(mlock);
  if (const int error = armed ? Injected("mlock", FROM, true, -1) : 0) return Fail(error);
  return real(at, length);
}

int munlock(const void* at, size_t length) noexcept {
  REAL(munlock);
  if (const int error = armed ? Injected("munlock", FROM, true, -1) : 0) return Fail(error);
  return real(at, length);
}

int msync(void* at, size_t length, int flags) {
  REAL(msync);
  if (const int error = armed ? Injected("msync", FROM, true, -1) : 0) return Fail(error);
  return real(at, length, flags);
}

int mincore(void* at, size_t length, unsigned char* out) noexcept {
  REAL(mincore);
  if (const int error = armed ? Injected("mincore", FROM, true, -1) : 0) return Fail(error);
  return real(at, length, out);
}

int poll(pollfd* asked, nfds_t count, int timeout) {
  REAL(poll);
  if (const int error = armed ? Injected("poll", FROM, true, -1) : 0) return Fail(error);
  return real(asked, count, timeout);
}

int sigaction(int number, const struct sigaction* action, struct sigaction* old) noexcept {
  REAL(sigaction);
  if (const int error = armed ? Injected("sigaction", FROM, true, -1) : 0) return Fail(error);
  return real(number, action, old);
}

int statfs64(const char* path, struct statfs64* out) noexcept {
  REAL(statfs64);
  if (const int error = Injected("statfs", FROM, false, -1)) return Fail(error);
  return real(path, out);
}

int scandir64(const char* path, dirent64*** out, int (*filter)(const dirent64*),
              int (*compare)(const dirent64**, const dirent64**)) {
  REAL(scandir64);
  if (const int error = Injected("scandir", FROM, false, -1)) return Fail(error);
  return real(path, out, filter, compare);
}

int socket(int domain, int type, int protocol) noexcept {
  REAL(socket);
  if (const int error = Injected("socket", FROM, false, -1)) return Fail(error);
  return real(domain, type, protocol);
}

int bind(int fd, const sockaddr* address, socklen_t length) noexcept {
  REAL(bind);
  if (const int error = Injected("bind", FROM, false, -1)) return Fail(error);
  return real(fd, address, length);
}

int listen(int fd, int backlog) noexcept {
  REAL(listen);
  if (const int error = Injected("listen", FROM, false, -1)) return Fail(error);
  return real(fd, backlog);
}

int connect(int fd, const sockaddr* address, socklen_t length) {
  REAL(connect);
  if (const int error = Injected("connect", FROM, false, -1)) return Fail(error);
  return real(fd, address, length);
}

// The queue stays as it is, as with EMFILE.
int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  REAL(accept4);
  if (const int error = Injected("accept", FROM, false, -1)) return Fail(error);
  return real(fd, address, length, flags);
}

int accept(int fd, sockaddr* address, socklen_t* length) {
  REAL(accept);
  if (const int error = Injected("accept", FROM, false, -1)) return Fail(error);
  return real(fd, address, length);
}

int shutdown(int fd, int how) noexcept {
  REAL(shutdown);
  if (const int error = Injected("shutdown", FROM, false, -1)) return Fail(error);
  return real(fd, how);
}

int getsockname(int fd, sockaddr* address, socklen_t* length) noexcept {
  REAL(getsockname);
  if (const int error = Injected("getsockname", FROM, false, -1)) return Fail(error);
  return real(fd, address, length);
}

int getpeername(int fd, sockaddr* address, socklen_t* length) noexcept {
  REAL(getpeername);
  if (const int error = Injected("getpeername", FROM, false, -1)) return Fail(error);
  return real(fd, address, length);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  REAL(sendmsg);
  if (const int error = Injected("sendmsg", FROM, false, -1)) return Fail(error);
  return real(fd, message, flags);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  REAL(recvmsg);
  if (const int error = Injected("recvmsg", FROM, false, -1)) return Fail(error);
  return real(fd, message, flags);
}

// Older Nodes' names of stat, lstat and fstat.
int __xstat64(int version, const char* path, struct stat64* out) {
  static auto real = reinterpret_cast<int (*)(int, const char*, struct stat64*)>(
      dlsym(RTLD_NEXT, "__xstat64"));
  if (const int error = Injected("stat", FROM, false, -1)) return Fail(error);
  return real(version, path, out);
}

int __lxstat64(int version, const char* path, struct stat64* out) {
  static auto real = reinterpret_cast<int (*)(int, const char*, struct stat64*)>(
      dlsym(RTLD_NEXT, "__lxstat64"));
  if (const int error = Injected("stat", FROM, false, -1)) return Fail(error);
  return real(version, path, out);
}

int __fxstat64(int version, int fd, struct stat64* out) {
  static auto real = reinterpret_cast<int (*)(int, int, struct stat64*)>(
      dlsym(RTLD_NEXT, "__fxstat64"));
  if (const int error = Injected("fstat", FROM, false, -1)) return Fail(error);
  return real(version, fd, out);
}

long syscall(long number, ...) noexcept {
  static auto real = reinterpret_cast<long (*)(long, ...)>(dlsym(RTLD_NEXT, "syscall"));
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (long& each : a) each = va_arg(rest, long);
  va_end(rest);
  if (armed && number == SYS_statx) {
    const char* path = reinterpret_cast<const char*>(a[1]);
    const bool of_path = path != nullptr && *path != 0;
    if (const int error = Injected(of_path ? "stat" : "fstat", FROM, false, -1)) return Fail(error);
  }
  if (armed && number == SYS_futex) {
    const char* name = a[1] == 0 ? "futex wait" : "futex wake";
    if (const int error = Injected(name, FROM, true, -1)) return Fail(error);
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // extern "C"

namespace {

std::string Text(napi_env env, napi_value value) {
  char text[64] = "";
  size_t length = 0;
  (void)napi_get_value_string_utf8(env, value, text, sizeof(text), &length);
  return std::string(text, length);
}

int32_t Number(napi_env env, napi_value value) {
  int32_t number = 0;
  (void)napi_get_value_int32(env, value, &number);
  return number;
}

// arm(call, number, errno, forGood): the number-th call of that name fails; '' only counts.
napi_value Arm(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  size_t count = 4;
  (void)napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  const std::lock_guard<std::mutex> guard(mutex);
  target = Text(env, arguments[0]);
  target_number = Number(env, arguments[1]);
  target_error = Number(env, arguments[2]);
  (void)napi_get_value_bool(env, arguments[3], &for_good);
  seen = hits = 0;
  calls.clear();
  calls.reserve(4096);
  arming_thread = static_cast<pid_t>(syscall(SYS_gettid));
  armed = true;
  return nullptr;
}

// disarm(): the names of the calls that were counted, in order.
napi_value Disarm(napi_env env, napi_callback_info) {
  armed = false;
  const std::lock_guard<std::mutex> guard(mutex);
  napi_value result, names, number;
  (void)napi_create_object(env, &result);
  (void)napi_create_array_with_length(env, calls.size(), &names);
  for (size_t i = 0; i < calls.size(); i++) {
    napi_value name;
    (void)napi_create_string_utf8(env, calls[i].name, kToTheEnd, &name);
    (void)napi_set_element(env, names, static_cast<uint32_t>(i), name);
  }
  (void)napi_create_int32(env, hits, &number);
  (void)napi_set_named_property(env, result, "calls", names);
  (void)napi_set_named_property(env, result, "hits", number);
  return result;
}

}  // namespace

extern "C" napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value arm, disarm;
  (void)napi_create_function(env, "arm", kToTheEnd, Arm, nullptr, &arm);
  (void)napi_create_function(env, "disarm", kToTheEnd, Disarm, nullptr, &disarm);
  (void)napi_set_named_property(env, exports, "arm", arm);
  (void)napi_set_named_property(env, exports, "disarm", disarm);
  return exports;
}
