// What the Mapping class does with pages: sync, advise, lock, protect, ask.
#include "binding_support.h"
#include "mapping_binding.h"

Napi::Value MappingBinding::Sync(const Napi::CallbackInfo& info) {
  platform::Span span;
  uint64_t async, invalidate;
  if (!GetSpan(info, &span) || !GetOffset(info, 2, &async) || !GetOffset(info, 3, &invalidate)) {
    return Napi::Value();
  }
  const platform::Status status = platform::Sync(
      file_, mapping_->view(), span, {.async = async != 0, .invalidate = invalidate != 0});
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Value MappingBinding::Advise(const Napi::CallbackInfo& info) {
  platform::Span span;
  uint64_t advice;
  if (!GetSpan(info, &span) || !GetOffset(info, 2, &advice)) return Napi::Value();
  if (advice > static_cast<uint64_t>(platform::Advice::kPageOut)) {
    ThrowMisuse(info.Env(), "an advice is out of range");
    return Napi::Value();
  }
  const platform::Status status =
      platform::Advise(mapping_->view(), span, static_cast<platform::Advice>(advice));
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Value MappingBinding::LockPages(const Napi::CallbackInfo& info) {
  platform::Span span;
  if (!GetSpan(info, &span)) return Napi::Value();
  const platform::Status status = platform::LockPages(mapping_->view(), span);
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Value MappingBinding::UnlockPages(const Napi::CallbackInfo& info) {
  platform::Span span;
  if (!GetSpan(info, &span)) return Napi::Value();
  const platform::Status status = platform::UnlockPages(mapping_->view(), span);
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Value MappingBinding::Protect(const Napi::CallbackInfo& info) {
  platform::Span span;
  uint64_t protection;
  if (!GetSpan(info, &span) || !GetOffset(info, 2, &protection)) return Napi::Value();
  if (protection > static_cast<uint64_t>(platform::Protection::kReadWrite)) {
    ThrowMisuse(info.Env(), "a protection is out of range");
    return Napi::Value();
  }
  const platform::Status status =
      mapping_->Protect(span, static_cast<platform::Protection>(protection));
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return info.Env().Undefined();
}

Napi::Value MappingBinding::Resident(const Napi::CallbackInfo& info) {
  platform::Span span;
  if (!GetSpan(info, &span)) return Napi::Value();
  const size_t count =
      platform::PagesOf(mapping_->view(), span).length / platform::PageSize();
  Napi::Uint8Array pages = Napi::Uint8Array::New(info.Env(), count);
  if (info.Env().IsExceptionPending() || count == 0) return pages;
  const platform::Status status = platform::Resident(mapping_->view(), span, pages.Data());
  if (!status.ok()) ThrowStatus(info.Env(), status);
  return pages;
}

Napi::Value MappingBinding::Faulted(const Napi::CallbackInfo& info) {
  if (!CheckOpen(info.Env())) return Napi::Value();
  return Napi::Boolean::New(info.Env(), mapping_->faulted());
}

Napi::Value MappingBinding::Restricted(const Napi::CallbackInfo& info) {
  if (!CheckOpen(info.Env())) return Napi::Value();
  return Napi::Boolean::New(info.Env(), mapping_->restricted());
}

Napi::Value MappingBinding::Permits(const Napi::CallbackInfo& info) {
  platform::Span span;
  uint64_t write;
  if (!GetSpan(info, &span) || !GetOffset(info, 2, &write)) return Napi::Value();
  return Napi::Boolean::New(info.Env(), mapping_->Permits(span, write != 0));
}
