#include "doorbell.h"

namespace platform {

namespace {

constexpr std::string_view kPrefix = "bell-";
constexpr size_t kDigits = 24;

#ifdef _WIN32
constexpr std::string_view kSeparators = "/\\";
// A drive, or a share.
bool IsAbsolute(std::string_view path) {
  return path.size() > 2 && (path[1] == ':' ? kSeparators.find(path[2]) != kSeparators.npos
                                            : path[0] == '\\' && path[1] == '\\');
}
#else
constexpr std::string_view kSeparators = "/";
bool IsAbsolute(std::string_view path) { return !path.empty() && path[0] == '/'; }
#endif

}  // namespace

bool IsBellPath(std::string_view path) {
  if (!IsAbsolute(path) || path.find('\0') != path.npos) return false;
  const std::string_view name = path.substr(path.find_last_of(kSeparators) + 1);
  return name.size() == kPrefix.size() + kDigits && name.substr(0, kPrefix.size()) == kPrefix &&
         name.find_first_not_of("0123456789abcdef", kPrefix.size()) == name.npos;
}

}  // namespace platform
