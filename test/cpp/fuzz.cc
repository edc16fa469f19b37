// What a peer's words come to below the bindings: the names of doorbells, and spans of mapped files
// that somebody cuts. Under libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer, by
// `node scripts/fuzz-native.mjs`. Spans are checked here as the bindings check them.
#include "../../native/doorbell.h"
#include "../../native/faults.h"
#include "../../native/mapping.h"
#include "../../native/platform.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

// Listening needs a loop, and nobody listens here.
extern "C" {
int uv_poll_init(uv_loop_t*, uv_poll_t*, int) { std::abort(); }
int uv_poll_start(uv_poll_t*, int, uv_poll_cb) { std::abort(); }
int uv_poll_stop(uv_poll_t*) { std::abort(); }
void uv_close(uv_handle_t*, uv_close_cb) { std::abort(); }
void uv_unref(uv_handle_t*) { std::abort(); }
}

namespace {

constexpr size_t kMostBytes = 64 * 1024;

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::abort();
}

// A name to be made, in the folder that the script removes afterwards.
std::string Temporary() {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/fuzz-XXXXXX";
}

// The rest of the input.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  template <typename T>
  T Take() {
    T value{};
    const size_t size = std::min(sizeof(T), left_);
    std::memcpy(&value, data_, size);
    data_ += size;
    left_ -= size;
    return value;
  }
  // Near the edges mostly.
  uint64_t Below(uint64_t bound) {
    switch (Take<uint8_t>() % 4) {
      case 0:
        return Take<uint64_t>();
      case 1:
        return bound - Take<uint8_t>() % 4;
      default:
        return Take<uint32_t>() % (bound + 1);
    }
  }
  std::string Rest() { return {reinterpret_cast<const char*>(data_), left_}; }
  size_t left() const { return left_; }

 private:
  const uint8_t* data_;
  size_t left_;
};

// A folder of its own with one of everything that a name can lead to.
class Bells {
 public:
  Bells() {
    std::string pattern = Temporary();
    Check(mkdtemp(pattern.data()) != nullptr, "mkdtemp");
    folder_ = pattern;
    live_ = Fifo("bell-" + std::string(24, '1'));
    for (const std::string& name : OtherNames()) others_.push_back(Fifo(name));
    (void)Fifo("bell-" + std::string(24, '3'), 0666);
    Check(mkdir(Path("bell-" + std::string(24, '4')).c_str(), 0700) == 0, "mkdir");
    Check(symlink("other", Path("bell-" + std::string(24, '5')).c_str()) == 0, "symlink");
    close(open(Path("bell-" + std::string(24, '6')).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    // A FIFO without a reader, which may be removed.
    (void)mkfifo(Path("bell-" + std::string(24, '2')).c_str(), 0600);
  }
  // FIFOs of the same user and mode that have no bell's name.
  static const std::vector<std::string>& OtherNames() {
    static const auto* names = new std::vector<std::string>{
        "other", "bell-" + std::string(23, '1'), "bell-" + std::string(25, '1'),
        "bell-" + std::string(24, 'g'), "link-" + std::string(24, '1')};
    return *names;
  }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  // Whatever was rung: at most four bytes in the bell that is one, none in any other.
  void CheckRung(const std::string& path) const {
    char bytes[64];
    const ssize_t got = read(live_, bytes, sizeof(bytes));
    if (got > 0) Check(got == 4 && path == Path("bell-" + std::string(24, '1')), "rung bell");
    for (const int other : others_) {
      Check(read(other, bytes, sizeof(bytes)) <= 0, "another FIFO was written to");
    }
    for (const char digit : {'3', '4', '5', '6'}) {
      struct stat stats;
      Check(lstat(Path("bell-" + std::string(24, digit)).c_str(), &stats) == 0, "was removed");
    }
  }

 private:
  int Fifo(const std::string& name, mode_t mode = 0600) const {
    const std::string path = Path(name);
    Check(mkfifo(path.c_str(), 0600) == 0 && chmod(path.c_str(), mode) == 0, "mkfifo");
    return open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }

  std::string folder_;
  int live_ = -1;
  std::vector<int> others_;
};

void FuzzName(Input input) {
  static const Bells* bells = new Bells;
  const uint8_t how = input.Take<uint8_t>();
  std::string name = input.Rest();
  // One in two has the form of a bell's name, with a change in one place.
  if (how % 2 == 0) {
    std::string digits(24, static_cast<char>('1' + how / 2 % 8));
    if (name.size() > 1) digits[static_cast<uint8_t>(name[0]) % 24] = name[1];
    name = "bell-" + digits + (name.size() > 2 ? name.substr(2) : "");
  }
  // One in four is another FIFO's with something after it, as a zero that would end the path there.
  const auto& others = Bells::OtherNames();
  if (how % 8 == 5) name = '\0' + ("/bell-" + std::string(24, '1')) + name;
  if (how % 4 == 1) name = others[how / 8 % others.size()] + name;
  const bool is_bell = platform::IsBellPath(name);
  Check(!is_bell || (name[0] == '/' && std::strlen(name.c_str()) == name.size()), "a bell's path");
  // Nothing outside the folder is opened here.
  if (name.find("..") != name.npos) return;
  const std::string path = bells->Path(name);
  platform::DoorbellRingerOwner ringer;
  const platform::Status status = platform::OpenDoorbellRinger(path, &ringer);
  Check(status.ok() || !ringer, "no ringer where it failed");
  Check(platform::IsBellPath(path) || !status.ok(), "what has no bell's name is refused");
  if (ringer) {
    bool rung = false;
    (void)platform::Ring(ringer.get(), 7, &rung);
  }
  bells->CheckRung(path);
  bool dead = false;
  (void)platform::IsBellDead(path, &dead);
}

int MakeFile() {
  std::string path = Temporary();
  const int fd = mkstemp(path.data());
  Check(fd >= 0 && unlink(path.c_str()) == 0, "mkstemp");
  return fd;
}

bool TakeSpan(Input* input, const Mapping& mapping, platform::Span* out) {
  const uint64_t offset = input->Below(mapping.length());
  const uint64_t length = input->Below(mapping.length());
  if (offset > mapping.length() || length > mapping.length() - offset) return false;
  *out = {static_cast<size_t>(offset), static_cast<size_t>(length)};
  return true;
}

// One call on a mapping, or one thing that somebody else does to its file.
void Step(Input* input, const platform::File& file, Mapping* mapping, int fd) {
  const uint8_t what = input->Take<uint8_t>() % 12;
  platform::Span span{};
  if (what < 8 && !TakeSpan(input, *mapping, &span)) return;
  const uint8_t how = input->Take<uint8_t>();
  switch (what) {
    case 0:
      (void)platform::Sync(file, mapping->view(), span, {how % 2 == 0, how % 4 < 2});
      return;
    case 1:
      (void)platform::Advise(mapping->view(), span, static_cast<platform::Advice>(how % 10));
      return;
    case 2: {
      const size_t count =
          platform::PagesOf(mapping->view(), span).length / platform::PageSize();
      const std::unique_ptr<uint8_t[]> pages(new uint8_t[count]);
      if (count > 0) (void)platform::Resident(mapping->view(), span, pages.get());
      return;
    }
    case 3:
      (void)mapping->Protect(span, static_cast<platform::Protection>(how % 3));
      return;
    case 4:
    case 5: {
      // What is read of a file that was cut are zeros.
      if (!mapping->Permits(span, false)) return;
      const volatile uint8_t* bytes = mapping->data() + span.offset;
      uint32_t sum = 0;
      for (size_t i = 0; i < span.length; i += 512) sum += bytes[i];
      if (span.length > 0) sum += bytes[span.length - 1];
      (void)sum;
      return;
    }
    case 6:
      if (mapping->access() == platform::Access::kRead || !mapping->Permits(span, true)) return;
      std::memset(mapping->data() + span.offset, how, span.length);
      return;
    case 7: {
      // A 32-bit word that lies in the mapping.
      const size_t at = span.offset & ~size_t{3};
      if (mapping->length() < 4 || at > mapping->length() - 4) return;
      if (reinterpret_cast<uintptr_t>(mapping->data()) % 4 != 0) return;
      if (!mapping->Permits({at, 4}, true)) return;
      const auto* word = reinterpret_cast<const uint32_t*>(mapping->data() + at);
      bool woken;
      uint32_t count;
      (void)platform::Wait(word, how, 0, &woken);
      (void)platform::Wake(word, how, &count);
      return;
    }
    case 8: {
      const uint64_t at = input->Take<uint64_t>();
      bool taken = false;
      (void)platform::TryLockByte(file, at, &taken);
      (void)platform::ByteIsLocked(file, at, &taken);
      (void)platform::UnlockByte(file, at);
      return;
    }
    case 9:
      (void)ftruncate(fd, static_cast<off_t>(input->Take<uint32_t>() % (2 * kMostBytes)));
      return;
    case 10: {
      bool reserved;
      (void)platform::Reserve(file, input->Take<uint16_t>(), &reserved);
      return;
    }
    default: {
      bool taken;
      (void)platform::TryLease(file, how % 2 ? platform::Lease::kShared
                                             : platform::Lease::kExclusive, &taken);
    }
  }
}

void FuzzMapping(Input input) {
  const int fd = MakeFile();
  const size_t bytes = 1 + input.Take<uint16_t>() % kMostBytes;
  Check(ftruncate(fd, static_cast<off_t>(bytes)) == 0, "ftruncate");
  platform::File file;
  Check(file.Duplicate(fd).ok(), "fcntl");
  const uint64_t offset = input.Below(bytes);
  const uint64_t length = input.Below(2 * kMostBytes);
  const platform::MapRequest request = {
      offset, static_cast<size_t>(length), static_cast<platform::Access>(input.Take<uint8_t>() % 3),
      input.Take<uint8_t>() % 2 == 0};
  Mapping* mapping = nullptr;
  // As src/native asks for it: within the file, though somebody may have cut that by now.
  if (length > 0 && offset <= bytes && length <= bytes - offset) {
    (void)Mapping::Create(file, request, "fuzz", &mapping);
  }
  if (mapping != nullptr) {
    Mapping* second = Mapping::Find(mapping->data());
    Check(second != nullptr, "it is known by its address");
    while (input.left() > 0) Step(&input, file, mapping, fd);
    const bool discard = bytes % 2 == 0;
    mapping->ForgetFile();
    mapping->AddReference();
    mapping->ReleaseHandle(discard);
    second->ReleaseHandle(discard);
    // A view that is left reads zeros, or what was there.
    if (mapping->Permits({0, 1}, false) || discard) (void)*(volatile uint8_t*)mapping->data();
    mapping->Release();
  }
  close(fd);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  if (input.Take<uint8_t>() % 2 == 0) {
    FuzzName(input);
  } else {
    FuzzMapping(input);
  }
  return 0;
}
