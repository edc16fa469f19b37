#include "mapping.h"

#include <cerrno>
#include <mutex>
#include <new>
#include <unordered_map>

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

platform::Status Mapping::Create(const platform::File& file,
                                 const platform::MapRequest& request, Mapping** out) {
  platform::View view;
  const platform::Status status = platform::Map(file, request, &view);
  if (!status.ok()) return status;
  Mapping* mapping = new (std::nothrow) Mapping(view);
  if (mapping == nullptr) {
    platform::Unmap(view);
    return {ENOMEM, "new"};
  }
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
  return found->second;
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
    registry.by_address.erase(view_.data);
  }
  delete this;
}

Mapping::~Mapping() { platform::Unmap(view_); }
