#include "mapping.h"

#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

namespace {

// One per process, never destroyed: finalizers may come after static destructors.
struct Registry {
  std::mutex mutex;
  std::unordered_map<const void*, Mapping*> by_address;
};

Registry& TheRegistry() {
  static Registry* registry = new Registry;
  return *registry;
}

}  // namespace

platform::Status Mapping::Create(const platform::File& file, const platform::MapRequest& request,
                                 const char* name, Mapping** out) {
  platform::View view;
  platform::Status status = platform::Map(file, request, &view);
  if (!status.ok()) return status;
  Mapping* mapping = new (std::nothrow) Mapping(view, request.access);
  if (mapping == nullptr) {
    platform::Unmap(view);
    return {ENOMEM, "new"};
  }
  const size_t size = std::strlen(name) + 1;
  mapping->name_.reset(new (std::nothrow) char[size]);
  status = platform::WatchFaults(view, request, file, &mapping->watch_);
  if (status.ok() && !mapping->name_) status = {ENOMEM, "new"};
  if (!status.ok()) {
    delete mapping;
    return status;
  }
  std::memcpy(mapping->name_.get(), name, size);
  Registry& registry = TheRegistry();
  const std::lock_guard<std::mutex> guard(registry.mutex);
  registry.by_address[view.data] = mapping;
  *out = mapping;
  return {};
}

Mapping* Mapping::Find(const void* address) {
  Registry& registry = TheRegistry();
  const std::lock_guard<std::mutex> guard(registry.mutex);
  const auto found = registry.by_address.find(address);
  if (found == registry.by_address.end()) return nullptr;
  found->second->references_++;
  found->second->handles_++;
  return found->second;
}

Mapping* Mapping::FindByName(const char* name) {
  Registry& registry = TheRegistry();
  const std::lock_guard<std::mutex> guard(registry.mutex);
  for (const auto& entry : registry.by_address) {
    Mapping* mapping = entry.second;
    if (std::strcmp(mapping->name(), name) != 0) continue;
    mapping->references_++;
    mapping->handles_++;
    return mapping;
  }
  return nullptr;
}

void Mapping::AddReference() {
  const std::lock_guard<std::mutex> guard(TheRegistry().mutex);
  references_++;
}

void Mapping::Release() {
  {
    Registry& registry = TheRegistry();
    const std::lock_guard<std::mutex> guard(registry.mutex);
    if (--references_ > 0) return;
    // A view that was given back is no longer in the registry; its address may be another's by now.
    const auto found = registry.by_address.find(view_.data);
    if (found != registry.by_address.end() && found->second == this) {
      registry.by_address.erase(found);
    }
  }
  delete this;
}

void Mapping::ReleaseHandle(bool discard) {
  {
    Registry& registry = TheRegistry();
    const std::lock_guard<std::mutex> guard(registry.mutex);
    discard_ = discard_ || discard;
    // Where only this reference is left, the pages are unmapped anyway.
    if (--handles_ == 0 && discard_ && references_ > 1 &&
        platform::Blank(view_, access_) == platform::Blanked::kDone) {
      registry.by_address.erase(view_.data);
      platform::Unwatch(watch_);
      watch_ = nullptr;
    }
  }
  Release();
}

void Mapping::ForgetFile() {
  const std::lock_guard<std::mutex> guard(TheRegistry().mutex);
  platform::ForgetFile(watch_);
}

void Mapping::UnlinkAfter(std::string path, platform::File* file) {
  const std::lock_guard<std::mutex> guard(TheRegistry().mutex);
  unlink_after_ = std::move(path);
  leased_.Take(file);
}

platform::Status Mapping::Protect(platform::Span span, platform::Protection protection) {
  const std::lock_guard<std::mutex> guard(TheRegistry().mutex);
  const size_t page = platform::PageSize();
  if (!protections_) {
    const size_t count = platform::PagesOf(view_, {0, view_.length}).length / page;
    protections_.reset(new (std::nothrow) platform::Protection[count]);
    if (!protections_) return {ENOMEM, "new"};
    const platform::Protection now = access_ == platform::Access::kRead
                                         ? platform::Protection::kRead
                                         : platform::Protection::kReadWrite;
    for (size_t i = 0; i < count; i++) protections_[i] = now;
  }
  platform::NoteProtected(watch_);
  const platform::Status status = platform::Protect(view_, span, protection, access_);
  if (!status.ok()) return status;
  const platform::Span pages = platform::PagesOf(view_, span);
  for (size_t i = 0; i < pages.length / page; i++) {
    protections_[pages.offset / page + i] = protection;
  }
  platform::state_changes.fetch_add(1, std::memory_order_acq_rel);
  return {};
}

bool Mapping::Permits(platform::Span span, bool write) {
  const std::lock_guard<std::mutex> guard(TheRegistry().mutex);
  if (!protections_) return true;
  const size_t page = platform::PageSize();
  const platform::Span pages = platform::PagesOf(view_, span);
  for (size_t i = 0; i < pages.length / page; i++) {
    const platform::Protection protection = protections_[pages.offset / page + i];
    if (protection == platform::Protection::kNone) return false;
    if (write && protection != platform::Protection::kReadWrite) return false;
  }
  return true;
}

bool Mapping::restricted() {
  const std::lock_guard<std::mutex> guard(TheRegistry().mutex);
  return protections_ != nullptr;
}

Mapping::~Mapping() {
  platform::Unwatch(watch_);
  platform::Unmap(view_);
  if (!unlink_after_.empty()) (void)platform::Unlink(unlink_after_.c_str());
}
