// The SIGBUS handler of Linux and macOS.
#include "faults.h"

#include <cerrno>
#include <csignal>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace platform {

std::atomic<uint32_t> state_changes{0};

// An entry of the table that the handler searches. `version` is odd while the fields change: the
// handler, which may not take a lock, skips an entry in that state. That is never the entry it
// looks for: a view is watched from before anything can touch it until nothing can any more.
struct Watch {
  std::atomic<uint32_t> version{0};
  std::atomic<uintptr_t> start{0};
  std::atomic<uintptr_t> end{0};  // start == end: not in use
  std::atomic<bool> writable{false};
  std::atomic<bool> faulted{false};
  // From here to the end all pages have been replaced. Lowered only after they were.
  std::atomic<uintptr_t> lost{0};
  std::atomic<bool> protected_by_us{false};
  // Pages below it that were replaced one by one.
  std::atomic<uint32_t> single{0};
  // The file: where `start` lies in it, a descriptor or -1, and what shows that the descriptor is
  // not another file's by now.
  std::atomic<uint64_t> offset{0};
  std::atomic<int> descriptor{-1};
  std::atomic<uint64_t> device{0};
  std::atomic<uint64_t> inode{0};
  Watch* next_free = nullptr;  // guarded by table_mutex
};

namespace {

static_assert(std::atomic<uintptr_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free,
              "a signal handler may not wait for a lock");

// Blocks of entries, linked and never freed, so that the handler can walk them at any time.
struct Block {
  static constexpr size_t kEntries = 256;
  Watch entries[kEntries];
  Block* next = nullptr;
};

std::atomic<Block*> blocks{nullptr};
std::mutex table_mutex;  // guards everything here against other writers, not the handler
Watch* free_entries = nullptr;
struct sigaction previous;
bool installed = false;
uintptr_t page_size = 0;

Watch* Find(uintptr_t address) {
  for (Block* block = blocks.load(std::memory_order_acquire); block; block = block->next) {
    for (Watch& watch : block->entries) {
      const uint32_t version = watch.version.load(std::memory_order_acquire);
      const uintptr_t start = watch.start.load(std::memory_order_relaxed);
      const uintptr_t end = watch.end.load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (version % 2 != 0 || version != watch.version.load(std::memory_order_relaxed)) continue;
      if (address >= start && address < end) return &watch;
    }
  }
  return nullptr;
}

struct Backing {
  uint64_t offset = 0;
  int descriptor = -1;
  uint64_t device = 0;
  uint64_t inode = 0;
};

void Set(Watch* watch, uintptr_t start, uintptr_t end, bool writable, const Backing& backing) {
  const uint32_t version = watch->version.load(std::memory_order_relaxed);
  watch->version.store(version + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  watch->start.store(start, std::memory_order_relaxed);
  watch->end.store(end, std::memory_order_relaxed);
  watch->writable.store(writable, std::memory_order_relaxed);
  watch->faulted.store(false, std::memory_order_relaxed);
  watch->lost.store(end, std::memory_order_relaxed);
  watch->protected_by_us.store(false, std::memory_order_relaxed);
  watch->single.store(0, std::memory_order_relaxed);
  watch->offset.store(backing.offset, std::memory_order_relaxed);
  watch->descriptor.store(backing.descriptor, std::memory_order_relaxed);
  watch->device.store(backing.device, std::memory_order_relaxed);
  watch->inode.store(backing.inode, std::memory_order_relaxed);
  watch->version.store(version + 2, std::memory_order_release);
}

#ifdef __APPLE__
constexpr bool kForbiddenIsBus = true;
// By Apple's kernel source (docs/platforms.md), every failed access is a SIGBUS unless nothing is
// mapped there, and `si_code` is always BUS_ADRERR on x86-64 and always BUS_ADRALN on arm64. So
// only the processor's own report says what happened. A forbidden or misaligned access would fail
// again after the page was replaced: it is not ours to answer.
bool IsLostPage(const siginfo_t*, const void* context, const Watch& watch) {
  const auto* machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const bool present = (machine->__es.__err & 1) != 0;  // the page was there
  const bool stored = (machine->__es.__err & 2) != 0;
#elif defined(__arm64__)
  const bool present = (machine->__es.__esr & 0x3c) != 0x04;  // no translation fault
  const bool stored = (machine->__es.__esr & 0x40) != 0;
#endif
  return !present && (!stored || watch.writable.load(std::memory_order_relaxed));
}
#else
constexpr bool kForbiddenIsBus = false;
bool IsLostPage(const siginfo_t* info, const void*, const Watch&) {
  return info->si_code == BUS_ADRERR;
}
#endif

// Where the lost part of a view begins, by the length that its file has now; false where that
// cannot be known. Calls only what a signal handler may.
bool FindLost(const Watch& watch, uintptr_t* first) {
  struct stat stats;
  const int descriptor = watch.descriptor.load(std::memory_order_relaxed);
  if (descriptor < 0 || fstat(descriptor, &stats) != 0) return false;
  if (static_cast<uint64_t>(stats.st_dev) != watch.device.load(std::memory_order_relaxed) ||
      static_cast<uint64_t>(stats.st_ino) != watch.inode.load(std::memory_order_relaxed)) {
    return false;
  }
  const uintptr_t start = watch.start.load(std::memory_order_relaxed);
  const uintptr_t end = watch.end.load(std::memory_order_relaxed);
  const uint64_t offset = watch.offset.load(std::memory_order_relaxed);
  const uint64_t size = static_cast<uint64_t>(stats.st_size);
  // The last page that holds any of the file is whole.
  const uint64_t kept =
      size <= offset ? 0 : (size - offset + page_size - 1) / page_size * page_size;
  *first = kept < end - start ? start + kept : end;
  return true;
}

bool PutZeros(uintptr_t from, uintptr_t to, bool writable) {
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  void* place = reinterpret_cast<void*>(from);
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  return mmap(place, to - from, protection, kFlags, -1, 0) == place;
}

// A page within a file that is long enough: of a device that fails, a full file system, a
// daemon that died. It may be the only one. Where there are more than this, the rest is taken
// for lost as well.
constexpr uint32_t kMostSingle = 16;

// Replaces what was lost, at least the page itself. False: nothing could be done.
bool Replace(Watch* watch, uintptr_t page) {
  const bool writable = watch->writable.load(std::memory_order_relaxed);
  const uintptr_t lost = watch->lost.load(std::memory_order_acquire);
  if (page >= lost) return true;  // another thread has done it; the access is repeated
  uintptr_t from = page;
  uintptr_t first = page;
  if (FindLost(*watch, &first)) {
    if (first <= page) {
      from = first;
    } else if (kForbiddenIsBus && watch->protected_by_us.load(std::memory_order_relaxed)) {
      return false;
    } else if (watch->single.fetch_add(1, std::memory_order_relaxed) < kMostSingle) {
      return PutZeros(page, page + page_size, writable);
    }
  }
  if (!PutZeros(from, lost, writable)) return PutZeros(page, page + page_size, writable);
  uintptr_t known = lost;
  while (from < known &&
         !watch->lost.compare_exchange_weak(known, from, std::memory_order_acq_rel)) {
  }
  return true;
}

// True when the page of a watched view has been replaced and the access may go on.
bool Answer(const siginfo_t* info, const void* context) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  Watch* watch = Find(address);
  if (watch == nullptr || !IsLostPage(info, context, *watch)) return false;
  if (!Replace(watch, address - address % page_size)) return false;
  watch->faulted.store(true, std::memory_order_release);
  state_changes.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

// Does what would have happened without us.
void PassOn(int signal, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
    return;
  }
  const bool sent = info->si_code <= 0;  // by kill and the like, not by an access
  if (previous.sa_handler == SIG_IGN && sent) return;
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
    return;
  }
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  sigaction(signal, &fallback, nullptr);
  // An access is repeated on return, and ends the process then; a sent signal is not.
  if (sent) raise(signal);
}

void Handle(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  if (!Answer(info, context)) PassOn(signal, info, context);
  errno = saved;
}

Status Install() {
  if (installed) return {};
  page_size = PageSize();
  struct sigaction action = {};
  action.sa_sigaction = Handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  // The previous handler is read first: ours may run as soon as it is installed.
  if (sigaction(SIGBUS, nullptr, &previous) != 0 || sigaction(SIGBUS, &action, nullptr) != 0) {
    return {errno, "sigaction"};
  }
  installed = true;
  return {};
}

Watch* TakeEntry() {
  if (free_entries == nullptr) {
    Block* added = new (std::nothrow) Block;
    if (added == nullptr) return nullptr;
    added->next = blocks.load(std::memory_order_relaxed);
    for (Watch& watch : added->entries) {
      watch.next_free = free_entries;
      free_entries = &watch;
    }
    blocks.store(added, std::memory_order_release);
  }
  Watch* taken = free_entries;
  free_entries = taken->next_free;
  return taken;
}

}  // namespace

Status WatchFaults(const View& view, const MapRequest& request, const File& file, Watch** out) {
  struct stat stats;
  if (fstat(file.descriptor(), &stats) != 0) return {errno, "fstat"};
  const std::lock_guard<std::mutex> guard(table_mutex);
  const Status status = Install();
  if (!status.ok()) return status;
  Watch* watch = TakeEntry();
  if (watch == nullptr) return {ENOMEM, "new"};
  const Span pages = PagesOf(view, {0, view.length});
  const uintptr_t start = reinterpret_cast<uintptr_t>(view.base) + pages.offset;
  const uint64_t lead = static_cast<uint64_t>(view.data - view.base);
  Set(watch, start, start + pages.length, request.access != Access::kRead,
      {.offset = request.offset - lead + pages.offset,
       .descriptor = file.descriptor(),
       .device = static_cast<uint64_t>(stats.st_dev),
       .inode = static_cast<uint64_t>(stats.st_ino)});
  *out = watch;
  return {};
}

void ForgetFile(Watch* watch) {
  if (watch != nullptr) watch->descriptor.store(-1, std::memory_order_relaxed);
}

void NoteProtected(Watch* watch) {
  if (watch != nullptr) watch->protected_by_us.store(true, std::memory_order_relaxed);
}

void Unwatch(Watch* watch) {
  if (watch == nullptr) return;
  const std::lock_guard<std::mutex> guard(table_mutex);
  Set(watch, 0, 0, false, {});
  watch->next_free = free_entries;
  free_entries = watch;
}

bool HasFaulted(const Watch* watch) {
  return watch != nullptr && watch->faulted.load(std::memory_order_acquire);
}

}  // namespace platform
