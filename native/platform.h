// The platform contract: what the bindings ask of an operating system.
//
// One declaration here, one implementation per platform (platform_*.cc). Nothing
// below this header knows Node-API, and nothing above it makes a system call.
// Every function reports failure as a Status; none throws.
#pragma once

#include <cstddef>
#include <cstdint>

namespace platform {

// Outcome of a system call: an errno value and the call that set it.
struct Status {
  int error = 0;               // 0 is success
  const char* call = nullptr;  // static string, the system call's name

  bool ok() const { return error == 0; }
};

// A descriptor or handle that closes itself.
class File {
 public:
  File() = default;
  ~File() { Close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Takes a second descriptor for the same open file, so that the caller may
  // close its own. Locks belong to the open file, and so to both.
  Status Duplicate(int fd);
  // Takes over a descriptor that this object will close.
  void Adopt(int fd);
  // Takes over what another object has open.
  void Take(File* other) {
    Close();
    handle_ = other->handle_;
    descriptor_ = other->descriptor_;
    other->handle_ = kNone;
    other->descriptor_ = -1;
  }
  // Gives it up, not closed.
  int Release();
  void Close();

  bool is_open() const { return handle_ != kNone; }
  intptr_t handle() const { return handle_; }
  // The same as node:fs takes it; -1 when closed.
  int descriptor() const;

 private:
  static constexpr intptr_t kNone = -1;
  intptr_t handle_ = kNone;
  int descriptor_ = -1;  // where it is not the handle itself
};

enum class Access { kRead, kReadWrite, kCopyOnWrite };

// Pages of a file in this process's address space. `base` is page-aligned;
// `data` is where the wanted offset lies, `length` how much of it was wanted.
struct View {
  uint8_t* base = nullptr;
  size_t mapped = 0;
  uint8_t* data = nullptr;
  size_t length = 0;
};

// `prefault` enters all pages into the page table at once instead of one fault each; a
// hint that may be ignored.
struct MapRequest {
  uint64_t offset;
  size_t length;
  Access access;
  bool prefault;
};
Status Map(const File& file, const MapRequest& request, View* out);
void Unmap(const View& view);

size_t PageSize();

// Bytes of a view, counted from its data. The calls below act on every page that the
// span touches; the caller has checked that it lies within the view.
struct Span {
  size_t offset;
  size_t length;
};

// The whole pages that a span touches: what the system's own calls take.
inline Span PagesOf(const View& view, Span span) {
  const size_t page = PageSize();
  const size_t start = static_cast<size_t>(view.data - view.base) + span.offset;
  const size_t first = start - start % page;
  const size_t past = start + span.length;
  const size_t end = (past + page - 1) / page * page;
  return {first, span.length == 0 ? 0 : end - first};
}

// Writes changed pages to the file: waits for the device, or with `async` only starts.
// `invalidate` asks that other mappings of the file see fresh pages.
struct SyncRequest {
  bool async;
  bool invalidate;
};
Status Sync(const File& file, const View& view, Span span, SyncRequest request);

enum class Advice {
  kNormal,
  kRandom,
  kSequential,
  kWillNeed,
  kDontNeed,
  kHugePage,
  kNoHugePage,
  kCold,
  kPageOut,
  kPopulate,  // enters the pages into the page table at once
};
// Tells how the pages will be used. A hint: success where the system has no such advice.
Status Advise(const View& view, Span span, Advice advice);

// Keeps the pages in memory, and lets them go again.
Status LockPages(const View& view, Span span);
Status UnlockPages(const View& view, Span span);

enum class Protection { kNone, kRead, kReadWrite };
// What this process may do with the pages; `access` is how the view was mapped.
Status Protect(const View& view, Span span, Protection protection, Access access);

// One byte per page that the span touches: 1 where it is in memory.
Status Resident(const View& view, Span span, uint8_t* pages);

// Replaces the file's pages by private zero pages, in one step for every thread. The
// range stays readable, and writable where it was. `kUnsupported` leaves it as it was:
// without such a step another thread could touch the gap.
enum class Blanked { kDone, kUnsupported };
Blanked Blank(const View& view, Access access);

// Gives a name, which must be free, to an open file that has none. ENOSYS where files cannot be
// opened without one.
Status LinkFile(const File& file, const char* path);

// Removes a name. A missing one is success.
Status Unlink(const char* path);

// Who else may open something; empty if only the system's own accounts may.
struct Stranger {
  char name[192];
};
// Looks at the access list of a directory. ENOSYS where modes say it all: on Linux and macOS.
Status FindStranger(const char* path, Stranger* out);
// Makes a directory that only this user can enter, whatever it lies in. ENOSYS likewise.
Status MakePrivateDirectory(const char* path);

// Makes the file at least `length` bytes long and reserves its blocks, so that a
// full file system is an error here and not a fault at the first store. Bytes that are there
// are never written, since others may store to them meanwhile. `*reserved` is false where the
// file system cannot reserve: there the file has only grown.
Status Reserve(const File& file, uint64_t length, bool* reserved);

enum class Lease { kShared, kExclusive };

// Takes the whole-file advisory lock without waiting. `*taken` says whether it
// was free. The kernel drops it with the last descriptor, however the process ends.
Status TryLease(const File& file, Lease lease, bool* taken);

// Takes the lock of one byte of the file, without waiting, for this open file.
Status TryLockByte(const File& file, uint64_t offset, bool* taken);
// Gives it back.
Status UnlockByte(const File& file, uint64_t offset);
// Whether some other open file holds that byte's lock.
Status ByteIsLocked(const File& file, uint64_t offset, bool* locked);

// Sleeps while *word == expected, at most `timeout_ms` (negative: without end),
// until Wake is called on the same word by any process or thread that maps it.
// May return early; `*woken` is false only when the time ran out.
Status Wait(const uint32_t* word, uint32_t expected, double timeout_ms, bool* woken);
// Wakes at most `count` sleepers on the word; `*woken` says how many.
Status Wake(const uint32_t* word, uint32_t count, uint32_t* woken);

// Keeps this library in memory until the process ends: finalizers of shared
// memory may run after the thread that loaded it is gone.
void PinLibrary();

}  // namespace platform
