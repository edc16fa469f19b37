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
// exclusive one: so the shared one is given up first, and taken again where that fails. Only a
// handle that closes does this: a process that has taken the file meanwhile may remove it.
Status TryLease(const File& file, Lease lease, bool* taken) {
  if (lease == Lease::kShared) return TryLock(file, kLeaseByte, false, taken);
  bool had = false;
  Status status = Unlock(file, kLeaseByte, &had);
  if (status.ok()) status = TryLock(file, kLeaseByte, true, taken);
  if (!status.ok() || *taken || !had) return status;
  bool again = false;
  return TryLock(file, kLeaseByte, false, &again);
}

// A process that only checks may hold the byte for a moment: see ByteIsLocked.
Status TryLockByte(const File& file, uint64_t offset, bool* taken) {
  constexpr int kTries = 4;
  for (int i = 1;; i++) {
    const Status status = TryLock(file, offset, true, taken);
    if (!status.ok() || *taken || i == kTries) return status;
    Sleep(i < kTries - 1 ? 0 : 1);
  }
}

Status UnlockByte(const File& file, uint64_t offset) {
  bool had;
  return Unlock(file, offset, &had);
}

// If another process has the lock, the system refuses to read the byte, and no lock is taken. If
// the byte can be read (under Wine even a locked one can), only taking a lock shows; a shared one,
// so that processes that check do not see each other.
Status ByteIsLocked(const File& file, uint64_t offset, bool* locked) {
  OVERLAPPED place = At(offset);
  uint8_t byte;
  DWORD count;
  *locked =
      !ReadFile(HandleOf(file), &byte, 1, &count, &place) && GetLastError() == ERROR_LOCK_VIOLATION;
  if (*locked) return {};
  bool taken = false;
  const Status status = TryLock(file, offset, false, &taken);
  *locked = status.ok() && !taken;
  if (!taken) return status;
  return UnlockByte(file, offset);
}

// With POSIX semantics the name goes at once, also while the file is mapped or open. Before
// Windows 10 1809 and on other file systems it goes with the last user.
Status Unlink(const char* path) {
  std::unique_ptr<wchar_t[]> wide;
  const Status status = Widen(path, &wide);
  if (!status.ok()) return status;
  const Handle file(CreateFileW(wide.get(), DELETE,
                                FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
  if (!file.valid()) {
    const DWORD error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND) return {};
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

// The semaphore of a word, named by this user and by the byte of the file where it lies. Others
// can guess that name and make an object with it first: then `*usurped`, and it is not used.
Status SemaphoreOf(const uint32_t* word, Handle* out, bool* usurped) {
  *usurped = false;
  Place place;
  if (!FindPlace(word, &place)) return {EINVAL, "CreateSemaphore"};
  SECURITY_ATTRIBUTES* alone;
  const wchar_t* user;
  Status status = OnlyThisUser(&alone);
  if (status.ok()) status = TextOfThisUser(&user);
  if (!status.ok()) return status;
  wchar_t name[MAX_PATH];
  if (swprintf(name, MAX_PATH, L"Global\\mmap-transport-%ls-%08lx-%08lx%08lx-%llx", user,
               place.volume, place.index_high, place.index_low,
               static_cast<unsigned long long>(place.offset)) < 0) {
    return {EINVAL, "CreateSemaphore"};
  }
  out->Take(CreateSemaphoreW(alone, 0, kMostWakes, name));
  const DWORD error = GetLastError();
  // The second: an object of another kind.
  *usurped = !out->valid() && (error == ERROR_ACCESS_DENIED || error == ERROR_INVALID_HANDLE);
  if (*usurped) return {};
  if (!out->valid()) return LastFailure("CreateSemaphore");
  if (error != ERROR_ALREADY_EXISTS) return {};
  bool ours = false;
  status = IsThisUsers(out->get(), &ours);
  *usurped = status.ok() && !ours;
  return status;
}

// How often a sleeper on a usurped semaphore looks at its word, in milliseconds.
constexpr DWORD kLookInterval = 1;

uint32_t Load(const uint32_t* word) {
  const LONG value = *reinterpret_cast<const volatile LONG*>(word);
  MemoryBarrier();
  return static_cast<uint32_t>(value);
}

}  // namespace

// WaitOnAddress meets only within a process. No wake-up is lost: the semaphore is open
// before the word is looked at, and keeps a wake that comes in between. The word is only read:
// its page may be mapped for reading, and even an exchange that changes nothing is a store.
Status Wait(const uint32_t* word, uint32_t expected, double timeout_ms, bool* woken) {
  *woken = true;
  Handle semaphore;
  bool usurped;
  const Status status = SemaphoreOf(word, &semaphore, &usurped);
  if (!status.ok()) return status;
  if (Load(word) != expected) return {};
  const DWORD limit = timeout_ms < 0 || timeout_ms >= static_cast<double>(INFINITE)
                          ? INFINITE
                          : static_cast<DWORD>(std::ceil(timeout_ms));
  if (usurped) {
    *woken = limit > kLookInterval;  // the caller looks again
    Sleep(limit < kLookInterval ? limit : kLookInterval);
    return {};
  }
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
  Handle semaphore;
  bool usurped;
  const Status status = SemaphoreOf(word, &semaphore, &usurped);
  if (!status.ok() || usurped) return status;
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
