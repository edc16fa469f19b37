// Windows: reserving, locks, names, and waiting on a word.
#include "platform_win.h"

#include <cerrno>
#include <cmath>
#include <cwchar>
#include <memory>
#include <new>

namespace platform {

Status Reserve(const File& file, uint64_t length, bool* reserved) {
  *reserved = true;
  LARGE_INTEGER size;
  if (!GetFileSizeEx(HandleOf(file), &size)) return LastFailure("GetFileSizeEx");
  if (static_cast<uint64_t>(size.QuadPart) >= length) return {};
  FILE_ALLOCATION_INFO allocation;
  allocation.AllocationSize.QuadPart = static_cast<LONGLONG>(length);
  FILE_END_OF_FILE_INFO end;
  end.EndOfFile.QuadPart = static_cast<LONGLONG>(length);
  // Where allocating is no call of its own, a longer file gets its blocks by its length.
  if (!SetFileInformationByHandle(HandleOf(file), FileAllocationInfo, &allocation,
                                  sizeof(allocation)) &&
      GetLastError() != ERROR_CALL_NOT_IMPLEMENTED && GetLastError() != ERROR_NOT_SUPPORTED) {
    return LastFailure("SetFileInformationByHandle");
  }
  if (!SetFileInformationByHandle(HandleOf(file), FileEndOfFileInfo, &end, sizeof(end))) {
    return LastFailure("SetFileInformationByHandle");
  }
  return {};
}

namespace {

// Locks are mandatory here: without the lock the bytes may not be touched. So they lie beyond
// any content. A mapping is not subject to them.
constexpr uint64_t kLeaseByte = uint64_t{1} << 62;

OVERLAPPED At(uint64_t offset) {
  OVERLAPPED place = {};
  place.Offset = static_cast<DWORD>(offset);
  place.OffsetHigh = static_cast<DWORD>(offset >> 32);
  return place;
}

Status TryLock(const File& file, uint64_t offset, bool exclusive, bool* taken) {
  OVERLAPPED place = At(offset);
  const DWORD flags = LOCKFILE_FAIL_IMMEDIATELY | (exclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0);
  *taken = LockFileEx(HandleOf(file), flags, 0, 1, 0, &place) != 0;
  if (*taken || GetLastError() == ERROR_LOCK_VIOLATION || GetLastError() == ERROR_IO_PENDING) {
    return {};
  }
  return LastFailure("LockFileEx");
}

Status Unlock(const File& file, uint64_t offset, bool* had) {
  OVERLAPPED place = At(offset);
  *had = UnlockFileEx(HandleOf(file), 0, 1, 0, &place) != 0;
  // The second is what Wine says of a lock that this open file does not hold.
  if (*had || GetLastError() == ERROR_NOT_LOCKED || GetLastError() == ERROR_LOCK_VIOLATION) {
    return {};
  }
  return LastFailure("UnlockFileEx");
}

}  // namespace

// A lock is not converted here, and an open file's own shared lock stands in the way of its
// exclusive one: so the shared one is given up first, and taken again where that fails.
Status TryLease(const File& file, Lease lease, bool* taken) {
  if (lease == Lease::kShared) return TryLock(file, kLeaseByte, false, taken);
  bool had = false;
  Status status = Unlock(file, kLeaseByte, &had);
  if (status.ok()) status = TryLock(file, kLeaseByte, true, taken);
  if (!status.ok() || *taken || !had) return status;
  bool again = false;
  return TryLock(file, kLeaseByte, false, &again);
}

Status TryLockByte(const File& file, uint64_t offset, bool* taken) {
  return TryLock(file, offset, true, taken);
}

Status UnlockByte(const File& file, uint64_t offset) {
  bool had;
  return Unlock(file, offset, &had);
}

// There is no question that does not take the lock for a moment.
Status ByteIsLocked(const File& file, uint64_t offset, bool* locked) {
  bool taken = false;
  const Status status = TryLock(file, offset, true, &taken);
  *locked = status.ok() && !taken;
  if (!taken) return status;
  return UnlockByte(file, offset);
}

// With POSIX semantics the name goes at once, also while the file is mapped or open. Before
// Windows 10 1809 and on other file systems it goes with the last user.
Status Unlink(const char* path) {
  const int count = MultiByteToWideChar(CP_UTF8, 0, path, -1, nullptr, 0);
  if (count <= 0) return LastFailure("MultiByteToWideChar");
  const std::unique_ptr<wchar_t[]> wide(new (std::nothrow) wchar_t[static_cast<size_t>(count)]);
  if (!wide) return {ENOMEM, "new"};
  MultiByteToWideChar(CP_UTF8, 0, path, -1, wide.get(), count);
  const Handle file(CreateFileW(wide.get(), DELETE,
                                FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
  if (!file.valid()) {
    if (GetLastError() == ERROR_FILE_NOT_FOUND) return {};
    return LastFailure("CreateFile");
  }
  // FILE_DISPOSITION_INFO_EX and its class, which older headers lack.
  constexpr DWORD kDeleteWithPosixSemantics = 0x1 | 0x2;
  constexpr auto kFileDispositionInfoEx = static_cast<FILE_INFO_BY_HANDLE_CLASS>(21);
  DWORD flags = kDeleteWithPosixSemantics;
  if (SetFileInformationByHandle(file.get(), kFileDispositionInfoEx, &flags, sizeof(flags))) {
    return {};
  }
  FILE_DISPOSITION_INFO plain = {TRUE};
  if (SetFileInformationByHandle(file.get(), FileDispositionInfo, &plain, sizeof(plain))) {
    return {};
  }
  return LastFailure("SetFileInformationByHandle");
}

namespace {

// A wake that nobody waits for stays in the semaphore and lets a later wait return early,
// which it may; at most this often.
constexpr LONG kMostWakes = 64;

// The semaphore of a word, named by the byte of the file where it lies.
HANDLE SemaphoreOf(const uint32_t* word) {
  Place place;
  if (!FindPlace(word, &place)) {
    SetLastError(ERROR_INVALID_ADDRESS);
    return nullptr;
  }
  wchar_t name[96];
  swprintf(name, sizeof(name) / sizeof(name[0]), L"Global\\mmap-transport-%08lx-%08lx%08lx-%llx",
           place.volume, place.index_high, place.index_low,
           static_cast<unsigned long long>(place.offset));
  return CreateSemaphoreW(nullptr, 0, kMostWakes, name);
}

}  // namespace

// WaitOnAddress meets only within a process. No wake-up is lost: the semaphore is open
// before the word is looked at, and keeps a wake that comes in between.
Status Wait(const uint32_t* word, uint32_t expected, double timeout_ms, bool* woken) {
  *woken = true;
  const Handle semaphore(SemaphoreOf(word));
  if (!semaphore.valid()) return LastFailure("CreateSemaphore");
  auto* value = reinterpret_cast<volatile LONG*>(const_cast<uint32_t*>(word));
  if (static_cast<uint32_t>(InterlockedCompareExchange(value, 0, 0)) != expected) return {};
  const DWORD limit = timeout_ms < 0 || timeout_ms >= static_cast<double>(INFINITE)
                          ? INFINITE
                          : static_cast<DWORD>(std::ceil(timeout_ms));
  switch (WaitForSingleObject(semaphore.get(), limit)) {
    case WAIT_OBJECT_0:
      return {};
    case WAIT_TIMEOUT:
      *woken = false;
      return {};
    default:
      return LastFailure("WaitForSingleObject");
  }
}

// How many of the wakes found a sleeper is not known here; `*woken` is how many were given.
Status Wake(const uint32_t* word, uint32_t count, uint32_t* woken) {
  *woken = 0;
  const Handle semaphore(SemaphoreOf(word));
  if (!semaphore.valid()) return LastFailure("CreateSemaphore");
  while (*woken < count && *woken < static_cast<uint32_t>(kMostWakes)) {
    if (!ReleaseSemaphore(semaphore.get(), 1, nullptr)) {
      if (GetLastError() == ERROR_TOO_MANY_POSTS) break;  // as many as it holds
      return LastFailure("ReleaseSemaphore");
    }
    ++*woken;
  }
  return {};
}

}  // namespace platform
