// The SIGBUS handler of Linux and macOS.
#include "faults.h"

#include <cerrno>
#include <csignal>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace platform {

std::atomic<uint32_t> state_changes{0};

// An entry of the table that the handler searches. `version` is odd while the fields
// change: the handler, which may not take a lock, skips an entry in that state. It can never be
// the one it looks for, because a view is watched before anything can touch it and until
// nothing can.
struct Watch {
  std::atomic<uint32_t> version{0};
  std::atomic<uintptr_t> start{0};
  std::atomic<uintptr_t> end{0};  // start == end: not in use
  std::atomic<bool> writable{false};
  std::atomic<bool> faulted{false};
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

void Set(Watch* watch, uintptr_t start, uintptr_t end, bool writable) {
  const uint32_t version = watch->version.load(std::memory_order_relaxed);
  watch->version.store(version + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  watch->start.store(start, std::memory_order_relaxed);
  watch->end.store(end, std::memory_order_relaxed);
  watch->writable.store(writable, std::memory_order_relaxed);
  watch->faulted.store(false, std::memory_order_relaxed);
  watch->version.store(version + 2, std::memory_order_release);
}

// macOS sends SIGBUS for a forbidden access too. That would fault again after the page was
// replaced, and is not ours to answer.
bool IsForbiddenAccess(const void* context) {
#ifdef __APPLE__
  const auto* machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return (machine->__es.__err & 1) != 0;  // the page was there
#elif defined(__arm64__)
  return (machine->__es.__esr & 0x3c) == 0x0c;  // a permission fault
#endif
#endif
  return false;
}

// True when the page of a watched view has been replaced and the access may go on.
bool Answer(const siginfo_t* info, const void* context) {
  if (info->si_code != BUS_ADRERR || IsForbiddenAccess(context)) return false;
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  Watch* watch = Find(address);
  if (watch == nullptr) return false;
  const int protection =
      PROT_READ | (watch->writable.load(std::memory_order_relaxed) ? PROT_WRITE : 0);
  void* page = reinterpret_cast<void*>(address - address % page_size);
  if (mmap(page, page_size, protection, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != page) {
    return false;
  }
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

Status WatchFaults(const View& view, Access access, Watch** out) {
  const std::lock_guard<std::mutex> guard(table_mutex);
  const Status status = Install();
  if (!status.ok()) return status;
  Watch* watch = TakeEntry();
  if (watch == nullptr) return {ENOMEM, "new"};
  const Span pages = PagesOf(view, {0, view.length});
  const uintptr_t start = reinterpret_cast<uintptr_t>(view.base) + pages.offset;
  Set(watch, start, start + pages.length, access != Access::kRead);
  *out = watch;
  return {};
}

void Unwatch(Watch* watch) {
  if (watch == nullptr) return;
  const std::lock_guard<std::mutex> guard(table_mutex);
  Set(watch, 0, 0, false);
  watch->next_free = free_entries;
  free_entries = watch;
}

bool HasFaulted(const Watch* watch) {
  return watch != nullptr && watch->faulted.load(std::memory_order_acquire);
}

}  // namespace platform
