// What the Mapping class does with pages: sync, advise, lock, protect, ask.
#include "binding_support.h"
#include "mapping_binding.h"

napi_value MappingBinding::Sync(const Call& call) {
  platform::Span span;
  uint64_t async, invalidate;
  if (!GetSpan(call, &span) || !GetOffset(call, 2, &async) || !GetOffset(call, 3, &invalidate)) {
    return nullptr;
  }
  const platform::Status status = platform::Sync(
      file_, mapping_->view(), span, {.async = async != 0, .invalidate = invalidate != 0});
  return Done(call, status);
}

napi_value MappingBinding::Advise(const Call& call) {
  platform::Span span;
  uint64_t advice;
  if (!GetSpan(call, &span) || !GetOffset(call, 2, &advice)) return nullptr;
  if (advice > static_cast<uint64_t>(platform::Advice::kPopulate)) {
    ThrowMisuse(call.env(), "an advice is out of range");
    return nullptr;
  }
  const platform::Status status =
      platform::Advise(mapping_->view(), span, static_cast<platform::Advice>(advice));
  return Done(call, status);
}

napi_value MappingBinding::LockPages(const Call& call) {
  platform::Span span;
  if (!GetSpan(call, &span)) return nullptr;
  const platform::Status status = platform::LockPages(mapping_->view(), span);
  return Done(call, status);
}

napi_value MappingBinding::UnlockPages(const Call& call) {
  platform::Span span;
  if (!GetSpan(call, &span)) return nullptr;
  const platform::Status status = platform::UnlockPages(mapping_->view(), span);
  return Done(call, status);
}

napi_value MappingBinding::Protect(const Call& call) {
  platform::Span span;
  uint64_t protection;
  if (!GetSpan(call, &span) || !GetOffset(call, 2, &protection)) return nullptr;
  if (protection > static_cast<uint64_t>(platform::Protection::kReadWrite)) {
    ThrowMisuse(call.env(), "a protection is out of range");
    return nullptr;
  }
  const platform::Status status =
      mapping_->Protect(span, static_cast<platform::Protection>(protection));
  return Done(call, status);
}

napi_value MappingBinding::Resident(const Call& call) {
  platform::Span span;
  if (!GetSpan(call, &span)) return nullptr;
  const size_t count = platform::PagesOf(mapping_->view(), span).length / platform::PageSize();
  napi_value buffer, pages;
  void* data = nullptr;
  if (napi_create_arraybuffer(call.env(), count, &data, &buffer) != napi_ok ||
      napi_create_typedarray(call.env(), napi_uint8_array, count, buffer, 0, &pages) != napi_ok) {
    return nullptr;
  }
  if (count == 0) return pages;
  const platform::Status status =
      platform::Resident(mapping_->view(), span, static_cast<uint8_t*>(data));
  if (status.ok()) return pages;
  ThrowStatus(call.env(), status);
  return nullptr;
}

napi_value MappingBinding::Faulted(const Call& call) {
  if (!CheckOpen(call)) return nullptr;
  return NewBoolean(call.env(), mapping_->faulted());
}

napi_value MappingBinding::Restricted(const Call& call) {
  if (!CheckOpen(call)) return nullptr;
  return NewBoolean(call.env(), mapping_->restricted());
}

napi_value MappingBinding::Permits(const Call& call) {
  platform::Span span;
  uint64_t write;
  if (!GetSpan(call, &span) || !GetOffset(call, 2, &write)) return nullptr;
  return NewBoolean(call.env(), mapping_->Permits(span, write != 0));
}
