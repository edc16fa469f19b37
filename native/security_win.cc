// Windows: who may open what. Kernel objects and directories of ours are for this user alone.
#include "platform_win.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <new>
#include <sddl.h>

namespace platform {

namespace {

struct FreeLocal {
  void operator()(void* memory) const { LocalFree(memory); }
};
template <typename T>
using Local = std::unique_ptr<T, FreeLocal>;

constexpr size_t kLongestSid = 192;

// This process's user. Never destroyed: finalizers may come after static destructors.
struct User {
  Status status;
  alignas(TOKEN_USER) uint8_t token[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  wchar_t text[kLongestSid];
  SECURITY_ATTRIBUTES alone = {sizeof(SECURITY_ATTRIBUTES), nullptr, FALSE};

  PSID sid() { return reinterpret_cast<TOKEN_USER*>(token)->User.Sid; }
  User() { status = Find(); }
  Status Find();
};

Status User::Find() {
  HANDLE opened;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &opened)) {
    return LastFailure("OpenProcessToken");
  }
  const Handle closing(opened);
  DWORD length;
  if (!GetTokenInformation(opened, TokenUser, token, sizeof(token), &length)) {
    return LastFailure("GetTokenInformation");
  }
  LPWSTR name;
  if (!ConvertSidToStringSidW(sid(), &name)) return LastFailure("ConvertSidToStringSid");
  const Local<wchar_t> freeing(name);
  // The owner is named, since the objects of an elevated process would otherwise belong to the
  // administrators. Nothing is inherited from outside; what lies within inherits this.
  wchar_t described[2 * kLongestSid + 32];
  if (swprintf(text, kLongestSid, L"%ls", name) < 0 ||
      swprintf(described, sizeof(described) / sizeof(described[0]), L"O:%lsD:P(A;OICI;GA;;;%ls)",
               name, name) < 0) {
    return {EINVAL, "ConvertSidToStringSid"};
  }
  if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(described, SDDL_REVISION_1,
                                                            &alone.lpSecurityDescriptor, nullptr)) {
    return LastFailure("ConvertStringSecurityDescriptorToSecurityDescriptor");
  }
  return {};
}

User& ThisUser() {
  static User* user = new User;
  return *user;
}

// Accounts that can reach everything anyway, and those that a list names as placeholders.
bool IsOfSystem(PSID sid) {
  return IsWellKnownSid(sid, WinLocalSystemSid) ||
         IsWellKnownSid(sid, WinBuiltinAdministratorsSid) ||
         IsWellKnownSid(sid, WinCreatorOwnerSid) || IsWellKnownSid(sid, WinCreatorOwnerRightsSid);
}

// Rights that let nobody see, change or enter anything.
constexpr DWORD kHarmless = READ_CONTROL | SYNCHRONIZE | FILE_READ_ATTRIBUTES | FILE_READ_EA;

bool IsDenial(const ACE_HEADER& rule) {
  return rule.AceType == ACCESS_DENIED_ACE_TYPE || rule.AceType == ACCESS_DENIED_OBJECT_ACE_TYPE ||
         rule.AceType == ACCESS_DENIED_CALLBACK_ACE_TYPE ||
         rule.AceType == ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE;
}

Status NameOf(PSID sid, Stranger* out) {
  LPSTR name;
  if (!ConvertSidToStringSidA(sid, &name)) return LastFailure("ConvertSidToStringSid");
  const Local<char> freeing(name);
  std::snprintf(out->name, sizeof(out->name), "%s", name);
  return {};
}

Status FindStrangerIn(PACL list, Stranger* out) {
  ACL_SIZE_INFORMATION size;
  if (!GetAclInformation(list, &size, sizeof(size), AclSizeInformation)) {
    return LastFailure("GetAclInformation");
  }
  for (DWORD i = 0; i < size.AceCount; i++) {
    void* entry;
    if (!GetAce(list, i, &entry)) return LastFailure("GetAce");
    const ACE_HEADER& header = *static_cast<ACE_HEADER*>(entry);
    if (IsDenial(header)) continue;
    if (header.AceType != ACCESS_ALLOWED_ACE_TYPE &&
        header.AceType != ACCESS_ALLOWED_CALLBACK_ACE_TYPE) {
      std::snprintf(out->name, sizeof(out->name), "a rule of type %u", header.AceType);
      return {};
    }
    auto* rule = static_cast<ACCESS_ALLOWED_ACE*>(entry);
    PSID sid = &rule->SidStart;
    if ((rule->Mask & ~kHarmless) == 0 || EqualSid(sid, ThisUser().sid()) || IsOfSystem(sid)) {
      continue;
    }
    return NameOf(sid, out);
  }
  return {};
}

// Owner and access list.
Status SecurityOf(HANDLE object, std::unique_ptr<uint8_t[]>* out) {
  constexpr SECURITY_INFORMATION wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
  DWORD length = 0;
  GetKernelObjectSecurity(object, wanted, nullptr, 0, &length);
  if (GetLastError() != ERROR_INSUFFICIENT_BUFFER) return LastFailure("GetKernelObjectSecurity");
  out->reset(new (std::nothrow) uint8_t[length]);
  if (!*out) return {ENOMEM, "new"};
  if (!GetKernelObjectSecurity(object, wanted, out->get(), length, &length)) {
    return LastFailure("GetKernelObjectSecurity");
  }
  return {};
}

Status OwnerIn(uint8_t* security, PSID* out) {
  BOOL defaulted;
  if (!GetSecurityDescriptorOwner(security, out, &defaulted)) {
    return LastFailure("GetSecurityDescriptorOwner");
  }
  return *out == nullptr ? Status{EACCES, "GetSecurityDescriptorOwner"} : Status{};
}

}  // namespace

Status OnlyThisUser(SECURITY_ATTRIBUTES** out) {
  *out = &ThisUser().alone;
  return ThisUser().status;
}

Status TextOfThisUser(const wchar_t** out) {
  *out = ThisUser().text;
  return ThisUser().status;
}

Status IsThisUsers(HANDLE object, bool* ours) {
  *ours = false;
  if (!ThisUser().status.ok()) return ThisUser().status;
  // Room for the owner and nothing else: waits ask this each time.
  alignas(SECURITY_DESCRIPTOR)
      uint8_t security[sizeof(SECURITY_DESCRIPTOR) + SECURITY_MAX_SID_SIZE];
  DWORD length;
  if (!GetKernelObjectSecurity(object, OWNER_SECURITY_INFORMATION, security, sizeof(security),
                               &length)) {
    return LastFailure("GetKernelObjectSecurity");
  }
  PSID owner = nullptr;
  const Status status = OwnerIn(security, &owner);
  if (status.ok()) *ours = EqualSid(owner, ThisUser().sid());
  return status;
}

// An elevated process's directories belong to the administrators.
Status FindStranger(const char* path, Stranger* out) {
  out->name[0] = '\0';
  if (!ThisUser().status.ok()) return ThisUser().status;
  std::unique_ptr<wchar_t[]> wide;
  Status status = Widen(path, &wide);
  if (!status.ok()) return status;
  const Handle directory(CreateFileW(
      wide.get(), READ_CONTROL, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
      OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
  if (!directory.valid()) return LastFailure("CreateFile");
  std::unique_ptr<uint8_t[]> security;
  status = SecurityOf(directory.get(), &security);
  PSID owner = nullptr;
  if (status.ok()) status = OwnerIn(security.get(), &owner);
  if (!status.ok()) return status;
  if (!EqualSid(owner, ThisUser().sid()) && !IsOfSystem(owner)) return NameOf(owner, out);
  BOOL present, defaulted;
  PACL list = nullptr;
  if (!GetSecurityDescriptorDacl(security.get(), &present, &list, &defaulted)) {
    return LastFailure("GetSecurityDescriptorDacl");
  }
  if (present && list != nullptr) return FindStrangerIn(list, out);
  // Everybody may do everything, as on a file system that keeps no lists.
  std::snprintf(out->name, sizeof(out->name), "everybody");
  return {};
}

Status MakePrivateDirectory(const char* path) {
  SECURITY_ATTRIBUTES* alone;
  Status status = OnlyThisUser(&alone);
  std::unique_ptr<wchar_t[]> wide;
  if (status.ok()) status = Widen(path, &wide);
  if (!status.ok()) return status;
  return CreateDirectoryW(wide.get(), alone) ? Status{} : LastFailure("CreateDirectory");
}

}  // namespace platform
