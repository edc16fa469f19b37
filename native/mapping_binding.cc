#include "mapping_binding.h"

#include "buffers.h"

#include <utility>

napi_value MappingBinding::Define(napi_env env) {
  using Self = MappingBinding;
  return DefineClass<Self>(env, "Mapping",
                           {
                               Getter<Self, &Self::Fd>("fd"),
                               Getter<Self, &Self::Name>("name"),
                               Getter<Self, &Self::Access>("access"),
                               Method<Self, &Self::SharedBuffer>("sharedBuffer"),
                               Method<Self, &Self::Alias>("alias"),
                               Method<Self, &Self::TryLockByte>("tryLockByte"),
                               Method<Self, &Self::UnlockByte>("unlockByte"),
                               Method<Self, &Self::ByteIsLocked>("byteIsLocked"),
                               Method<Self, &Self::Wait>("wait"),
                               Method<Self, &Self::Wake>("wake"),
                               Method<Self, &Self::Sync>("sync"),
                               Method<Self, &Self::Advise>("advise"),
                               Method<Self, &Self::LockPages>("lockPages"),
                               Method<Self, &Self::UnlockPages>("unlockPages"),
                               Method<Self, &Self::Protect>("protect"),
                               Method<Self, &Self::Resident>("resident"),
                               Method<Self, &Self::Faulted>("faulted"),
                               Method<Self, &Self::Restricted>("restricted"),
                               Method<Self, &Self::Permits>("permits"),
                               Method<Self, &Self::OwnName>("ownName"),
                               Method<Self, &Self::Close>("close"),
                           });
}

bool MappingBinding::Open(const Call& call) {
  return call.count() == 1 ? Attach(call) : MapFile(call);
}

// Also when a thread is terminated: its objects are destroyed with its environment.
MappingBinding::~MappingBinding() { CloseAll(false); }

bool MappingBinding::MapFile(const Call& call) {
  uint64_t fd, offset, length, access, prefault;
  std::string name;
  if (!GetOffset(call, 0, &fd) || !GetOffset(call, 1, &offset) || !GetOffset(call, 2, &length) ||
      !GetOffset(call, 3, &access) || !GetOffset(call, 4, &prefault) ||
      !GetString(call, 5, &name)) {
    return false;
  }
  if (length > SIZE_MAX / 2 || access > 2) {
    ThrowMisuse(call.env(), "a mapping's length or access is out of range");
    return false;
  }
  platform::Status status = file_.Duplicate(static_cast<int>(fd));
  Mapping* mapping = nullptr;
  if (status.ok() && length > 0) {
    status = Mapping::Create(file_,
                             {.offset = offset,
                              .length = static_cast<size_t>(length),
                              .access = static_cast<platform::Access>(access),
                              .prefault = prefault != 0},
                             name.c_str(), &mapping);
  }
  if (!status.ok()) {
    ThrowStatus(call.env(), status);
    return false;
  }
  mapping_.Take(mapping);
  return true;
}

bool MappingBinding::Attach(const Call& call) {
  const napi_env env = call.env();
  Mapping* mapping = nullptr;
  if (HasType(env, call.argument(0), napi_string)) {
    std::string name;
    if (!GetString(call, 0, &name)) return false;
    mapping = Mapping::FindByName(name.c_str());
  } else {
    void* data = nullptr;
    if (napi_get_typedarray_info(env, call.argument(0), nullptr, nullptr, &data, nullptr,
                                 nullptr) != napi_ok) {
      ThrowMisuse(env, "expected a typed array or a name");
      return false;
    }
    mapping = Mapping::Find(data);
  }
  if (mapping == nullptr) {
    ThrowMisuse(env, "no live mapping of this process starts at these bytes or has this name");
    return false;
  }
  mapping_.Take(mapping);
  return true;
}

bool MappingBinding::CheckOpen(const Call& call) {
  if (mapping_) return true;
  ThrowMisuse(call.env(), "this mapping is closed");
  return false;
}

bool MappingBinding::CheckFile(const Call& call) {
  if (file_.is_open()) return true;
  ThrowMisuse(call.env(), "this handle has no file of its own");
  return false;
}

bool MappingBinding::GetSpan(const Call& call, platform::Span* out) {
  uint64_t offset, length;
  if (!CheckOpen(call) || !GetOffset(call, 0, &offset) || !GetOffset(call, 1, &length)) {
    return false;
  }
  if (offset > mapping_->length() || length > mapping_->length() - offset) {
    ThrowMisuse(call.env(), "a span ends beyond its mapping");
    return false;
  }
  *out = {static_cast<size_t>(offset), static_cast<size_t>(length)};
  return true;
}

uint32_t* MappingBinding::WordAt(const Call& call) {
  uint64_t offset;
  if (!CheckOpen(call) || !GetOffset(call, 0, &offset)) return nullptr;
  if (offset % sizeof(uint32_t) != 0 || mapping_->length() < sizeof(uint32_t) ||
      offset > mapping_->length() - sizeof(uint32_t)) {
    ThrowMisuse(call.env(), "no 32-bit word of the mapping lies at this offset");
    return nullptr;
  }
  return reinterpret_cast<uint32_t*>(mapping_->data() + offset);
}

napi_value MappingBinding::Fd(const Call& call) {
  return NewNumber(call.env(), file_.descriptor());
}

napi_value MappingBinding::Name(const Call& call) {
  return CheckOpen(call) ? NewString(call.env(), mapping_->name()) : nullptr;
}

napi_value MappingBinding::Access(const Call& call) {
  if (!CheckOpen(call)) return nullptr;
  return NewNumber(call.env(), static_cast<double>(mapping_->access()));
}

napi_value MappingBinding::SharedBuffer(const Call& call) {
  return CheckOpen(call) ? NewSharedBuffer(call.env(), mapping_.get()) : nullptr;
}

napi_value MappingBinding::Alias(const Call& call) {
  platform::Span span;
  if (call.count() > 0) {
    if (!GetSpan(call, &span)) return nullptr;
  } else {
    if (!CheckOpen(call)) return nullptr;
    span = {0, mapping_->length()};
  }
  return NewAlias(call.env(), mapping_.get(), span);
}

namespace {

napi_value AnswerOf(const Call& call, const platform::Status& status, bool answer) {
  if (status.ok()) return NewBoolean(call.env(), answer);
  ThrowStatus(call.env(), status);
  return nullptr;
}

}  // namespace

napi_value MappingBinding::TryLockByte(const Call& call) {
  uint64_t offset;
  if (!CheckFile(call) || !GetOffset(call, 0, &offset)) return nullptr;
  bool taken = false;
  const platform::Status status = platform::TryLockByte(file_, offset, &taken);
  return AnswerOf(call, status, taken);
}

napi_value MappingBinding::UnlockByte(const Call& call) {
  uint64_t offset;
  if (!CheckFile(call) || !GetOffset(call, 0, &offset)) return nullptr;
  return Done(call, platform::UnlockByte(file_, offset));
}

napi_value MappingBinding::ByteIsLocked(const Call& call) {
  uint64_t offset;
  if (!CheckFile(call) || !GetOffset(call, 0, &offset)) return nullptr;
  bool locked = false;
  const platform::Status status = platform::ByteIsLocked(file_, offset, &locked);
  return AnswerOf(call, status, locked);
}

napi_value MappingBinding::Wait(const Call& call) {
  const uint32_t* word = WordAt(call);
  uint32_t expected;
  double timeout_ms;
  if (word == nullptr || !GetWord(call, 1, &expected) || !GetNumber(call, 2, &timeout_ms)) {
    return nullptr;
  }
  bool woken = false;
  const platform::Status status = platform::Wait(word, expected, timeout_ms, &woken);
  return AnswerOf(call, status, woken);
}

napi_value MappingBinding::Wake(const Call& call) {
  const uint32_t* word = WordAt(call);
  uint32_t count;
  if (word == nullptr || !GetWord(call, 1, &count)) return nullptr;
  uint32_t woken = 0;
  const platform::Status status = platform::Wake(word, count, &woken);
  if (status.ok()) return NewNumber(call.env(), woken);
  ThrowStatus(call.env(), status);
  return nullptr;
}

napi_value MappingBinding::OwnName(const Call& call) {
  uint64_t only_if_last;
  std::string name;
  if (!CheckFile(call) || !GetPath(call, 0, &name) || !GetOffset(call, 1, &only_if_last)) {
    return nullptr;
  }
  owned_name_ = std::move(name);
  only_if_last_ = only_if_last != 0;
  return Undefined(call.env());
}

// Gives back this handle, its descriptor, its locks and the name it owns; see Mapping for
// what `discard` does to the pages.
napi_value MappingBinding::Close(const Call& call) {
  bool discard = false;
  if (napi_get_value_bool(call.env(), call.argument(0), &discard) != napi_ok) discard = false;
  CloseAll(discard);
  return Undefined(call.env());
}

void MappingBinding::CloseAll(bool discard) {
  bool remove = !owned_name_.empty();
  if (remove && only_if_last_) {
    bool last = false;
    remove = platform::TryLease(file_, platform::Lease::kExclusive, &last).ok() && last;
  }
  // Windows removes no file that is mapped: there the name goes with the last view of it.
  // What cannot be removed then either is left to the next reap, as after a crash.
  const bool removed = remove && platform::Unlink(owned_name_.c_str()).ok();
  if (mapping_ && file_.is_open()) mapping_->ForgetFile();
  if (remove && !removed && mapping_) mapping_->UnlinkAfter(std::move(owned_name_), &file_);
  mapping_.Close(discard);
  owned_name_.clear();
  file_.Close();
}
