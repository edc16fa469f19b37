// Windows: a bell is a named event that a thread of the system's pool waits for, beside a
// named piece of memory with one bit for each token (ADR-0020).
#include "doorbell.h"
#include "platform_win.h"

#include <atomic>
#include <cerrno>
#include <cwchar>
#include <new>

namespace platform {

namespace {

// As many as a FIFO holds elsewhere.
constexpr uint32_t kTokens = 16384;
constexpr uint32_t kBits = 32;

// Set by ringers, taken by the listener. In memory of several processes, so without a lock.
struct Tokens {
  std::atomic<uint32_t> words[kTokens / kBits];
};
static_assert(std::atomic<uint32_t>::is_always_lock_free);

constexpr size_t kLongestName = 128;

// Two kernel objects for one path: they are not in the file system, so a bell whose process was
// killed leaves nothing.
struct Names {
  wchar_t tokens[kLongestName];
  wchar_t event[kLongestName];
};

Status NamesOf(const std::string& path, const char* call, Names* out) {
  if (!IsBellPath(path)) return {EINVAL, call};
  const char* name = path.c_str() + path.find_last_of("/\\") + 1;
  if (swprintf(out->tokens, kLongestName, L"Local\\mmap-transport-%hs-tokens", name) < 0 ||
      swprintf(out->event, kLongestName, L"Local\\mmap-transport-%hs", name) < 0) {
    return {EINVAL, call};
  }
  return {};
}

// Whether an object could not be opened because what has that name is another kind of object, or
// belongs to somebody else.
bool IsNotOurs(DWORD error) {
  return error == ERROR_ACCESS_DENIED || error == ERROR_INVALID_HANDLE;
}

// EINVAL unless an object that was opened belongs to this user.
Status CheckOurs(HANDLE object, const char* call) {
  bool ours;
  const Status status = IsThisUsers(object, &ours);
  if (!status.ok()) return status;
  return ours ? Status{} : Status{EINVAL, call};
}

// A view of the tokens; the object lives while anyone has it mapped, its name only while
// the listener has its handle.
class TokensView {
 public:
  TokensView() = default;
  ~TokensView() {
    // Fails only for what is not a view.
    if (tokens_ != nullptr) (void)UnmapViewOfFile(tokens_);
  }
  TokensView(const TokensView&) = delete;
  TokensView& operator=(const TokensView&) = delete;

  Status Map(HANDLE section) {
    void* view = MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, sizeof(Tokens));
    if (view == nullptr) return LastFailure("MapViewOfFile");
    tokens_ = static_cast<Tokens*>(view);
    return {};
  }
  Tokens* operator->() const { return tokens_; }

 private:
  Tokens* tokens_ = nullptr;
};

}  // namespace

struct Bell {
  uv_async_t async;
  Handle section;
  Handle event;
  HANDLE wait = nullptr;
  // Set if the pool did not confirm that it has let go: it may still use this object.
  std::atomic<bool> abandoned{false};
  TokensView tokens;
  BellCallback rung;
  BellCallback closed;
  void* context;
};

struct DoorbellRinger {
  TokensView tokens;
  Names names;
};

namespace {

// Makes both objects.
Status MakeObjects(const std::string& path, Bell* bell) {
  Names names;
  SECURITY_ATTRIBUTES* alone;
  Status status = NamesOf(path, "CreateEvent", &names);
  if (status.ok()) status = OnlyThisUser(&alone);
  if (!status.ok()) return status;
  bell->section.Take(CreateFileMappingW(INVALID_HANDLE_VALUE, alone, PAGE_READWRITE, 0,
                                        sizeof(Tokens), names.tokens));
  if (!bell->section.valid()) return LastFailure("CreateFileMapping");
  if (GetLastError() == ERROR_ALREADY_EXISTS) return {EEXIST, "CreateFileMapping"};
  status = bell->tokens.Map(bell->section.get());
  if (!status.ok()) return status;
  bell->event.Take(CreateEventW(alone, /*bManualReset=*/FALSE, FALSE, names.event));
  if (!bell->event.valid()) return LastFailure("CreateEvent");
  if (GetLastError() == ERROR_ALREADY_EXISTS) return {EEXIST, "CreateEvent"};
  return {};
}

// In a thread of the pool.
void CALLBACK OnEvent(void* context, BOOLEAN) {
  Bell* bell = static_cast<Bell*>(context);
  // It fails only for what is not such a handle.
  if (!bell->abandoned.load()) (void)uv_async_send(&bell->async);
}

}  // namespace

// Objects of the kernel have their names from the first: no other is needed meanwhile.
Status ListenToBell(uv_loop_t* loop, const std::string& path, const std::string& making,
                    BellCallback rung, void* context, Bell** out) {
  if (!IsBellPath(making)) return {EINVAL, "CreateEvent"};
  auto bell = std::unique_ptr<Bell>(new (std::nothrow) Bell);
  if (!bell) return {ENOMEM, "new"};
  const Status status = MakeObjects(path, bell.get());
  if (!status.ok()) return status;
  bell->rung = rung;
  bell->context = context;
  bell->async.data = bell.get();
  const int error = uv_async_init(loop, &bell->async, [](uv_async_t* async) {
    Bell* woken = static_cast<Bell*>(async->data);
    woken->rung(woken->context);
  });
  if (error != 0) return {-error, "uv_async_init"};
  // From here on the handle is known to the loop, and only uv_close may free it.
  Bell* listening = bell.release();
  uv_unref(HandleOf(listening));
  if (!RegisterWaitForSingleObject(&listening->wait, listening->event.get(), OnEvent, listening,
                                   INFINITE, WT_EXECUTEINWAITTHREAD)) {
    const Status failure = LastFailure("RegisterWaitForSingleObject");
    CloseBell(listening, [](void*) {});
    return failure;
  }
  *out = listening;
  return {};
}

uv_handle_t* HandleOf(Bell* bell) { return reinterpret_cast<uv_handle_t*>(&bell->async); }

// SYNC bell, the listener's side. libuv has just marked the async as not sent, by a plain
// store; unless that is seen before the tokens are read here, a ring that comes now could
// find it still sent and be missed.
Status TakeTokens(Bell* bell, uint32_t* tokens, size_t room, size_t* arrived) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  *arrived = 0;
  for (uint32_t i = 0; i < kTokens / kBits; i++) {
    std::atomic<uint32_t>& word = bell->tokens->words[i];
    if (word.load(std::memory_order_relaxed) == 0) continue;
    if (room - *arrived < kBits) {
      const int error = uv_async_send(&bell->async);  // the rest in the next turn
      return error == 0 ? Status{} : Status{-error, "uv_async_send"};
    }
    const uint32_t bits = word.exchange(0);
    for (uint32_t bit = 0; bit < kBits; bit++) {
      if ((bits >> bit & 1) != 0) tokens[(*arrived)++] = i * kBits + bit;
    }
  }
  return {};
}

void CloseBell(Bell* bell, BellCallback closed) {
  bell->closed = closed;
  // Waits for a callback under way, which does nothing that waits for this thread. Where that
  // fails, a callback may still come: the bell stays in memory for it.
  if (bell->wait != nullptr && !UnregisterWaitEx(bell->wait, INVALID_HANDLE_VALUE)) {
    bell->abandoned.store(true);
  }
  // The names go with their handles.
  bell->event.Take(nullptr);
  bell->section.Take(nullptr);
  uv_close(HandleOf(bell), [](uv_handle_t* handle) {
    Bell* ending = static_cast<Bell*>(handle->data);
    ending->closed(ending->context);
    if (!ending->abandoned.load()) delete ending;
  });
}

void DoorbellRingerCloser::operator()(DoorbellRinger* ringer) const { delete ringer; }

Status OpenDoorbellRinger(const std::string& path, DoorbellRingerOwner* out) {
  DoorbellRingerOwner ringer(new (std::nothrow) DoorbellRinger);
  if (!ringer) return {ENOMEM, "new"};
  Status status = NamesOf(path, "OpenFileMapping", &ringer->names);
  if (!status.ok()) return status;
  // Only the view is kept: a handle would keep the name, and with it a bell without listener.
  const Handle section(
      OpenFileMappingW(READ_CONTROL | FILE_MAP_READ | FILE_MAP_WRITE, FALSE, ringer->names.tokens));
  if (!section.valid()) {
    const DWORD error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND) return {};
    return IsNotOurs(error) ? Status{EINVAL, "OpenFileMapping"} : LastFailure("OpenFileMapping");
  }
  status = CheckOurs(section.get(), "OpenFileMapping");
  if (status.ok()) status = ringer->tokens.Map(section.get());
  if (status.ok()) *out = std::move(ringer);
  return status;
}

// SYNC bell, the ringer's side: the token is there before the event is set. The event is
// opened each time, since only the listener's own handle may keep its name. Nobody else can
// have taken that meanwhile: it is random.
Status Ring(DoorbellRinger* ringer, uint32_t token, bool* rung) {
  if (token < kTokens) ringer->tokens->words[token / kBits].fetch_or(1u << token % kBits);
  const Handle event(OpenEventW(EVENT_MODIFY_STATE, FALSE, ringer->names.event));
  *rung = event.valid();
  if (!*rung) {
    const DWORD error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND) return {};
    return IsNotOurs(error) ? Status{EINVAL, "OpenEvent"} : LastFailure("OpenEvent");
  }
  if (!SetEvent(event.get())) return LastFailure("SetEvent");
  return {};
}

// Nothing is left of a bell here whose process was killed.
Status IsBellDead(const std::string& path, bool* dead) {
  *dead = false;
  return IsBellPath(path) ? Status{} : Status{EINVAL, "OpenEvent"};
}

}  // namespace platform
