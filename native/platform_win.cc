// Windows: files, views and pages.
#include "platform_win.h"
#include "faults.h"

#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <psapi.h>
#include <uv.h>

namespace platform {

namespace {

int ErrnoOf(DWORD error) {
  switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
      return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_WRITE_PROTECT:
    case ERROR_SHARING_VIOLATION:
    case ERROR_USER_MAPPED_FILE:
      return EACCES;
    case ERROR_ALREADY_EXISTS:
    case ERROR_FILE_EXISTS:
      return EEXIST;
    case ERROR_INVALID_HANDLE:
      return EBADF;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
      return ENOSPC;
    case ERROR_FILE_TOO_LARGE:
      return EFBIG;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_WORKING_SET_QUOTA:
    case ERROR_NO_SYSTEM_RESOURCES:
      return ENOMEM;
    case ERROR_TOO_MANY_OPEN_FILES:
      return EMFILE;
    case ERROR_INVALID_PARAMETER:
    case ERROR_INVALID_ADDRESS:
    case ERROR_MAPPED_ALIGNMENT:
      return EINVAL;
    case ERROR_NOT_SUPPORTED:
    case ERROR_INVALID_FUNCTION:
      return ENOTSUP;
    default:
      return EIO;
  }
}

// Views by their base, for FindPlace. Never destroyed: finalizers may come after static
// destructors.
struct Views {
  struct Entry {
    size_t mapped;
    Place start;
  };
  std::mutex mutex;
  std::map<const uint8_t*, Entry> by_base;
};

Views& TheViews() {
  static Views* views = new Views;
  return *views;
}

const SYSTEM_INFO& SystemInfo() {
  static const SYSTEM_INFO info = [] {
    SYSTEM_INFO result;
    GetSystemInfo(&result);
    return result;
  }();
  return info;
}

}  // namespace

// Nobody can cut a file short here while a view of it exists: the system refuses.
std::atomic<uint32_t> state_changes{0};
Status WatchFaults(const View&, const MapRequest&, const File&, Watch** out) {
  *out = nullptr;
  return {};
}
void ForgetFile(Watch*) {}
void NoteProtected(Watch*) {}
void Unwatch(Watch*) {}
bool HasFaulted(const Watch*) { return false; }

Status LastFailure(const char* call) { return {ErrnoOf(GetLastError()), call}; }

Status Widen(const char* path, std::unique_ptr<wchar_t[]>* out) {
  const int count = MultiByteToWideChar(CP_UTF8, 0, path, -1, nullptr, 0);
  if (count <= 0) return LastFailure("MultiByteToWideChar");
  out->reset(new (std::nothrow) wchar_t[static_cast<size_t>(count)]);
  if (!*out) return {ENOMEM, "new"};
  if (MultiByteToWideChar(CP_UTF8, 0, path, -1, out->get(), count) != count) {
    return LastFailure("MultiByteToWideChar");
  }
  return {};
}

// A handle of its own, and a descriptor for it, which then owns the handle.
Status File::Duplicate(int fd) {
  Close();
  const HANDLE source = uv_get_osfhandle(fd);
  if (source == INVALID_HANDLE_VALUE) return {EBADF, "uv_get_osfhandle"};
  HANDLE copy;
  const HANDLE process = GetCurrentProcess();
  if (!DuplicateHandle(process, source, process, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS)) {
    return LastFailure("DuplicateHandle");
  }
  descriptor_ = uv_open_osfhandle(copy);
  if (descriptor_ < 0) {
    CloseHandle(copy);
    return {EMFILE, "uv_open_osfhandle"};
  }
  handle_ = reinterpret_cast<intptr_t>(copy);
  return {};
}

void File::Close() {
  if (is_open()) {
    uv_fs_t request;
    uv_fs_close(nullptr, &request, descriptor_, nullptr);
    uv_fs_req_cleanup(&request);
  }
  handle_ = kNone;
  descriptor_ = -1;
}

int File::descriptor() const { return descriptor_; }

Status Map(const File& file, const MapRequest& request, View* out) {
  static constexpr DWORD kSection[] = {PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY};
  static constexpr DWORD kView[] = {FILE_MAP_READ, FILE_MAP_READ | FILE_MAP_WRITE, FILE_MAP_COPY};
  const auto access = static_cast<size_t>(request.access);
  BY_HANDLE_FILE_INFORMATION info;
  if (!GetFileInformationByHandle(HandleOf(file), &info)) {
    return LastFailure("GetFileInformationByHandle");
  }
  const Handle section(
      CreateFileMappingW(HandleOf(file), nullptr, kSection[access], 0, 0, nullptr));
  if (!section.valid()) return LastFailure("CreateFileMapping");
  const size_t lead = static_cast<size_t>(request.offset % SystemInfo().dwAllocationGranularity);
  const uint64_t start = request.offset - lead;
  // The view keeps the section; its handle may go.
  void* base = MapViewOfFile(section.get(), kView[access], static_cast<DWORD>(start >> 32),
                             static_cast<DWORD>(start), lead + request.length);
  if (base == nullptr) return LastFailure("MapViewOfFile");
  out->base = static_cast<uint8_t*>(base);
  out->mapped = lead + request.length;
  out->data = out->base + lead;
  out->length = request.length;
  {
    Views& views = TheViews();
    const std::lock_guard<std::mutex> guard(views.mutex);
    views.by_base[out->base] = {
        out->mapped, {info.dwVolumeSerialNumber, info.nFileIndexHigh, info.nFileIndexLow, start}};
  }
  // A hint; a failure costs only time later.
  if (request.prefault) Advise(*out, {0, out->length}, Advice::kWillNeed);
  return {};
}

void Unmap(const View& view) {
  if (view.base == nullptr) return;
  Views& views = TheViews();
  const std::lock_guard<std::mutex> guard(views.mutex);
  views.by_base.erase(view.base);
  // Fails only for what is no view; then there is nothing to give back.
  (void)UnmapViewOfFile(view.base);
}

bool FindPlace(const void* address, Place* out) {
  Views& views = TheViews();
  const std::lock_guard<std::mutex> guard(views.mutex);
  const auto* byte = static_cast<const uint8_t*>(address);
  auto found = views.by_base.upper_bound(byte);
  if (found == views.by_base.begin()) return false;
  --found;
  const size_t distance = static_cast<size_t>(byte - found->first);
  if (distance >= found->second.mapped) return false;
  *out = found->second.start;
  out->offset += distance;
  return true;
}

size_t PageSize() { return SystemInfo().dwPageSize; }

Status Sync(const File& file, const View& view, Span span, SyncRequest request) {
  const Span pages = PagesOf(view, span);
  // Mappings of one file are always coherent here, so `invalidate` is done already.
  if (!FlushViewOfFile(view.base + pages.offset, pages.length)) {
    return LastFailure("FlushViewOfFile");
  }
  if (request.async || !file.is_open() || FlushFileBuffers(HandleOf(file))) return {};
  // A file opened for reading only has nothing to flush.
  if (GetLastError() == ERROR_ACCESS_DENIED) return {};
  return LastFailure("FlushFileBuffers");
}

// A file has a name from the beginning here.
Status LinkFile(const File&, const char*) { return {ENOSYS, "linkat"}; }

// The other advices have no equal here.
Status Advise(const View& view, Span span, Advice advice) {
  if (advice != Advice::kWillNeed) return {};
  const Span pages = PagesOf(view, span);
  WIN32_MEMORY_RANGE_ENTRY range = {view.base + pages.offset, pages.length};
  if (!PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0)) {
    return LastFailure("PrefetchVirtualMemory");
  }
  return {};
}

// What a process may lock is bounded by its smallest working set, which it may raise.
Status LockPages(const View& view, Span span) {
  const Span pages = PagesOf(view, span);
  if (VirtualLock(view.base + pages.offset, pages.length)) return {};
  if (GetLastError() != ERROR_WORKING_SET_QUOTA) return LastFailure("VirtualLock");
  SIZE_T least, most;
  const HANDLE process = GetCurrentProcess();
  if (!GetProcessWorkingSetSize(process, &least, &most) ||
      !SetProcessWorkingSetSize(process, least + pages.length, most + pages.length) ||
      !VirtualLock(view.base + pages.offset, pages.length)) {
    return {ENOMEM, "VirtualLock"};
  }
  return {};
}

Status UnlockPages(const View& view, Span span) {
  const Span pages = PagesOf(view, span);
  if (VirtualUnlock(view.base + pages.offset, pages.length)) return {};
  if (GetLastError() == ERROR_NOT_LOCKED) return {};  // as elsewhere
  return LastFailure("VirtualUnlock");
}

Status Protect(const View& view, Span span, Protection protection, Access access) {
  const Span pages = PagesOf(view, span);
  DWORD wanted = PAGE_NOACCESS;
  if (protection == Protection::kRead) wanted = PAGE_READONLY;
  if (protection == Protection::kReadWrite) {
    wanted = access == Access::kCopyOnWrite ? PAGE_WRITECOPY : PAGE_READWRITE;
  }
  DWORD former;
  if (!VirtualProtect(view.base + pages.offset, pages.length, wanted, &former)) {
    return LastFailure("VirtualProtect");
  }
  return {};
}

// Counts a page where this process has it in its working set, which is what Windows reports.
Status Resident(const View& view, Span span, uint8_t* out) {
  constexpr size_t kLot = 512;
  PSAPI_WORKING_SET_EX_INFORMATION lot[kLot];
  const Span pages = PagesOf(view, span);
  const size_t count = pages.length / PageSize();
  for (size_t done = 0; done < count; done += kLot) {
    const size_t now = count - done < kLot ? count - done : kLot;
    for (size_t i = 0; i < now; i++) {
      lot[i].VirtualAddress = view.base + pages.offset + (done + i) * PageSize();
    }
    if (!QueryWorkingSetEx(GetCurrentProcess(), lot, static_cast<DWORD>(now * sizeof(lot[0])))) {
      return LastFailure("QueryWorkingSetEx");
    }
    for (size_t i = 0; i < now; i++) {
      out[done + i] = static_cast<uint8_t>(lot[i].VirtualAttributes.Valid);
    }
  }
  return {};
}

// A view can be unmapped and its range taken again, but not in one step.
Blanked Blank(const View&, Access) { return Blanked::kUnsupported; }

void PinLibrary() {
  HMODULE module;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<LPCWSTR>(&PinLibrary), &module);
}

}  // namespace platform
