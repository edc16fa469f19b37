#include "mapping_binding.h"

#include "binding_support.h"
#include "shared_buffer.h"

#include <utility>

Napi::Function MappingBinding::Define(Napi::Env env) {
  return DefineClass(env, "Mapping",
                     {
                         InstanceAccessor<&MappingBinding::Fd>("fd"),
                         InstanceAccessor<&MappingBinding::Name>("name"),
                         InstanceAccessor<&MappingBinding::Access>("access"),
                         InstanceMethod<&MappingBinding::SharedBuffer>("sharedBuffer"),
                         InstanceMethod<&MappingBinding::Alias>("alias"),
                         InstanceMethod<&MappingBinding::TryLockByte>("tryLockByte"),
                         InstanceMethod<&MappingBinding::UnlockByte>("unlockByte"),
                         InstanceMethod<&MappingBinding::ByteIsLocked>("byteIsLocked"),
                         InstanceMethod<&MappingBinding::Wait>("wait"),
                         InstanceMethod<&MappingBinding::Wake>("wake"),
                         InstanceMethod<&MappingBinding::Sync>("sync"),
                         InstanceMethod<&MappingBinding::Advise>("advise"),
                         InstanceMethod<&MappingBinding::LockPages>("lockPages"),
                         InstanceMethod<&MappingBinding::UnlockPages>("unlockPages"),
                         InstanceMethod<&MappingBinding::Protect>("protect"),
                         InstanceMethod<&MappingBinding::Resident>("resident"),
                         InstanceMethod<&MappingBinding::Faulted>("faulted"),
                         InstanceMethod<&MappingBinding::Restricted>("restricted"),
                         InstanceMethod<&MappingBinding::Permits>("permits"),
                         InstanceMethod<&MappingBinding::OwnName>("ownName"),
                         InstanceMethod<&MappingBinding::Close>("close"),
                     });
}

MappingBinding::MappingBinding(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<MappingBinding>(info) {
  if (info.Length() == 1) {
    Attach(info);
  } else {
    MapFile(info);
  }
}

// Also when a thread is terminated: its objects are destroyed with its environment.
MappingBinding::~MappingBinding() { CloseAll(false); }

void MappingBinding::MapFile(const Napi::CallbackInfo& info) {
  uint64_t fd, offset, length, access, prefault;
  if (!GetOffset(info, 0, &fd) || !GetOffset(info, 1, &offset) || !GetOffset(info, 2, &length) ||
      !GetOffset(info, 3, &access) || !GetOffset(info, 4, &prefault)) {
    return;
  }
  if (length > SIZE_MAX / 2 || access > 2) {
    return ThrowMisuse(info.Env(), "a mapping's length or access is out of range");
  }
  const std::string name = info[5].IsString() ? info[5].As<Napi::String>().Utf8Value() : "";
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
  if (!status.ok()) return ThrowStatus(info.Env(), status);
  mapping_.Take(mapping);
}

void MappingBinding::Attach(const Napi::CallbackInfo& info) {
  if (info[0].IsString()) {
    Mapping* named = Mapping::FindByName(info[0].As<Napi::String>().Utf8Value().c_str());
    if (named == nullptr) return ThrowMisuse(info.Env(), "no live mapping has this name here");
    return mapping_.Take(named);
  }
  if (!info[0].IsTypedArray()) return ThrowMisuse(info.Env(), "expected a typed array");
  // The raw call: node-addon-api's accessors refuse a view on a SharedArrayBuffer.
  void* data = nullptr;
  const napi_status status = napi_get_typedarray_info(info.Env(), info[0], nullptr, nullptr, &data,
                                                      nullptr, nullptr);
  if (status != napi_ok) return ThrowMisuse(info.Env(), "expected a typed array");
  Mapping* mapping = Mapping::Find(data);
  if (mapping == nullptr) {
    return ThrowMisuse(info.Env(), "no live mapping of this process starts at these bytes");
  }
  mapping_.Take(mapping);
}

bool MappingBinding::CheckOpen(Napi::Env env) {
  if (mapping_) return true;
  ThrowMisuse(env, "this mapping is closed");
  return false;
}

bool MappingBinding::CheckFile(Napi::Env env) {
  if (file_.is_open()) return true;
  ThrowMisuse(env, "this handle has no file of its own");
  return false;
}

bool MappingBinding::GetSpan(const Napi::CallbackInfo& info, platform::Span* out) {
  uint64_t offset, length;
  if (!CheckOpen(info.Env()) || !GetOffset(info, 0, &offset) || !GetOffset(info, 1, &length)) {
    return false;
  }
  if (offset > mapping_->length() || length > mapping_->length() - offset) {
    ThrowMisuse(info.Env(), "a span ends beyond its mapping");
    return false;
  }
  *out = {static_cast<size_t>(offset), static_cast<size_t>(length)};
  return true;
}

uint32_t* MappingBinding::WordAt(const Napi::CallbackInfo& info) {
  uint64_t offset;
  if (!CheckOpen(info.Env()) || !GetOffset(info, 0, &offset)) return nullptr;
  if (offset % sizeof(uint32_t) != 0 || offset > mapping_->length() - sizeof(uint32_t) ||
      mapping_->length() < sizeof(uint32_t)) {
    ThrowMisuse(info.Env(), "no 32-bit word of the mapping lies at this offset");
    return nullptr;
  }
  return reinterpret_cast<uint32_t*>(mapping_->data() + offset);
}

Napi::Value MappingBinding::Fd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), file_.descriptor());
}

Napi::Value MappingBinding::Name(const Napi::CallbackInfo& info) {
  if (!CheckOpen(info.Env())) return Napi::Value();
  return Napi::String::New(info.Env(), mapping_->name());
}

Napi::Value MappingBinding::Access(const Napi::CallbackInfo& info) {
  if (!CheckOpen(info.Env())) return Napi::Value();
  return Napi::Number::New(info.Env(), static_cast<double>(mapping_->access()));
}

Napi::Value MappingBinding::SharedBuffer(const Napi::CallbackInfo& info) {
  if (!CheckOpen(info.Env())) return Napi::Value();
  return NewSharedBuffer(info.Env(), mapping_.get());
}

Napi::Value MappingBinding::Alias(const Napi::CallbackInfo& info) {
  platform::Span span;
  if (info.Length() > 0) {
    if (!GetSpan(info, &span)) return Napi::Value();
  } else {
    if (!CheckOpen(info.Env())) return Napi::Value();
    span = {0, mapping_->length()};
  }
  mapping_->AddReference();
  napi_value result;
  const napi_status status = napi_create_external_arraybuffer(
      info.Env(), mapping_->data() + span.offset, span.length,
      [](napi_env, void*, void* hint) { static_cast<Mapping*>(hint)->Release(); },
      mapping_.get(), &result);
  if (status != napi_ok) {
    mapping_->Release();
    ThrowMisuse(info.Env(), "this runtime refused an ArrayBuffer over mapped memory");
    return Napi::Value();
  }
  return Napi::Value(info.Env(), result);
}

Napi::Value MappingBinding::TryLockByte(const Napi::CallbackInfo& info) {
  uint64_t offset;
  if (!CheckFile(info.Env()) || !GetOffset(info, 0, &offset)) return Napi::Value();
  bool taken = false;
  const platform::Status status = platform::TryLockByte(file_, offset, &taken);
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return Napi::Boolean::New(info.Env(), taken);
}

Napi::Value MappingBinding::UnlockByte(const Napi::CallbackInfo& info) {
  uint64_t offset;
  if (!CheckFile(info.Env()) || !GetOffset(info, 0, &offset)) return Napi::Value();
  const platform::Status status = platform::UnlockByte(file_, offset);
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Value MappingBinding::ByteIsLocked(const Napi::CallbackInfo& info) {
  uint64_t offset;
  if (!CheckFile(info.Env()) || !GetOffset(info, 0, &offset)) return Napi::Value();
  bool locked = false;
  const platform::Status status = platform::ByteIsLocked(file_, offset, &locked);
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return Napi::Boolean::New(info.Env(), locked);
}

Napi::Value MappingBinding::Wait(const Napi::CallbackInfo& info) {
  const uint32_t* word = WordAt(info);
  if (word == nullptr) return Napi::Value();
  const uint32_t expected = info[1].As<Napi::Number>().Uint32Value();
  const double timeout_ms = info[2].As<Napi::Number>().DoubleValue();
  bool woken = false;
  const platform::Status status = platform::Wait(word, expected, timeout_ms, &woken);
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return Napi::Boolean::New(info.Env(), woken);
}

Napi::Value MappingBinding::Wake(const Napi::CallbackInfo& info) {
  const uint32_t* word = WordAt(info);
  if (word == nullptr) return Napi::Value();
  const uint32_t count = info[1].As<Napi::Number>().Uint32Value();
  uint32_t woken = 0;
  const platform::Status status = platform::Wake(word, count, &woken);
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return Napi::Number::New(info.Env(), woken);
}

Napi::Value MappingBinding::OwnName(const Napi::CallbackInfo& info) {
  uint64_t only_if_last;
  if (!CheckFile(info.Env()) || !GetOffset(info, 1, &only_if_last)) return Napi::Value();
  owned_name_ = info[0].As<Napi::String>().Utf8Value();
  only_if_last_ = only_if_last != 0;
  return info.Env().Undefined();
}

// Gives back this handle, its descriptor, its locks and the name it owns; see Mapping for
// what `discard` does to the pages.
Napi::Value MappingBinding::Close(const Napi::CallbackInfo& info) {
  CloseAll(info[0].ToBoolean());
  return info.Env().Undefined();
}

void MappingBinding::CloseAll(bool discard) {
  bool remove = !owned_name_.empty();
  if (remove && only_if_last_) {
    bool last = false;
    remove = platform::TryLease(file_, platform::Lease::kExclusive, &last).ok() && last;
  }
  // Windows removes no file that is mapped: there the name goes with the last view of it.
  // What cannot be removed then either is left to the next reap, as after a crash.
  if (remove && !platform::Unlink(owned_name_.c_str()).ok() && mapping_) {
    mapping_->UnlinkAfter(std::move(owned_name_));
  }
  mapping_.Close(discard);
  owned_name_.clear();
  file_.Close();
}
