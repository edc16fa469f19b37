/*
 * Of glibc before 2.33 these functions are no part of its library: whoever builds against it gets
 * copies of them linked in. zig's copies make the system call themselves and keep its error in an
 * `errno` of their own, so that the caller reads that of some earlier call. These here ask the
 * library's own functions, which every glibc has.
 */
#include <sys/stat.h>

#ifdef __x86_64__
enum { version = 1 };
#else
enum { version = 0 };
#endif

int __fxstat64(int kind, int fd, struct stat64 *out);
int __lxstat64(int kind, const char *path, struct stat64 *out);
int __fxstat(int kind, int fd, struct stat *out);
int __lxstat(int kind, const char *path, struct stat *out);

int fstat64(int fd, struct stat64 *out) { return __fxstat64(version, fd, out); }
int lstat64(const char *path, struct stat64 *out) { return __lxstat64(version, path, out); }
int fstat(int fd, struct stat *out) { return __fxstat(version, fd, out); }
int lstat(const char *path, struct stat *out) { return __lxstat(version, path, out); }
