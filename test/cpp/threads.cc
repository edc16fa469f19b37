// What the addon does with threads, without Node, to be run under ThreadSanitizer: mappings
// taken up, protected and given up by several threads at once, watches entered and left while
// faults are looked up, and sleepers woken. Ends with 0, or says which check failed.
#include "../../native/faults.h"
#include "../../native/mapping.h"
#include "../../native/platform.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 300;
constexpr size_t kBytes = 64 * 1024;

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s (errno %d)\n", what, errno);
  std::_Exit(1);
}

// A file without a name.
int MakeFile(size_t bytes) {
  char path[] = "/tmp/mmap-transport-threads-XXXXXX";
  const int fd = mkstemp(path);
  Check(fd >= 0, "mkstemp");
  Check(unlink(path) == 0, "unlink");
  Check(ftruncate(fd, static_cast<off_t>(bytes)) == 0, "ftruncate");
  return fd;
}

Mapping* Map(int fd, size_t bytes = kBytes) {
  platform::File file;
  Check(file.Duplicate(fd).ok(), "Duplicate");
  const platform::MapRequest request = {
      .offset = 0, .length = bytes, .access = platform::Access::kReadWrite, .prefault = false};
  Mapping* mapping = nullptr;
  Check(Mapping::Create(file, request, "test", &mapping).ok(), "Create");
  return mapping;
}

void InThreads(void (*work)(Mapping* mapping, int index), Mapping* mapping) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) threads.emplace_back(work, mapping, i);
  for (std::thread& thread : threads) thread.join();
}

// One mapping in the hands of several threads, which close it in any order.
void Share(int fd) {
  for (int round = 0; round < kRounds; round++) {
    Mapping* mapping = Map(fd);
    for (int i = 0; i < kThreads; i++) mapping->AddReference();
    InThreads(
        [](Mapping* shared, int index) {
          Mapping* mine = Mapping::Find(shared->data());
          Check(mine == shared, "Find");
          const platform::Span page = {static_cast<size_t>(index) * 4096, 4096};
          Check(shared->Protect(page, platform::Protection::kRead).ok(), "Protect");
          Check(shared->Permits(page, false) && !shared->Permits(page, true), "Permits");
          Check(shared->restricted() && !shared->faulted(), "restricted");
          mine->ReleaseHandle(index % 2 == 0);
          shared->Release();
        },
        mapping);
    mapping->ReleaseHandle(true);
  }
}

// Each thread's own mappings come and go in the one registry and the one table of watches.
void Crowd(int fd) {
  static int shared_fd;
  shared_fd = fd;
  InThreads(
      [](Mapping*, int index) {
        for (int round = 0; round < kRounds; round++) {
          Mapping* mapping = Map(shared_fd);
          mapping->data()[index * 8] = 1;
          mapping->AddReference();
          mapping->ReleaseHandle(round % 2 == 0);
          mapping->Release();
        }
      },
      nullptr);
}

// Not watched by the sanitizer: it mistakes the mapping of a zero page, which the system does in
// one step, for a write by the thread whose fault it answers.
__attribute__((no_sanitize("thread"), noinline)) uint32_t Look(const volatile uint32_t* word) {
  return *word;
}

// A file that is truncated while all threads use it: each fault is answered.
void Fault() {
  for (int round = 0; round < 20; round++) {
    const int fd = MakeFile(kBytes);
    Mapping* mapping = Map(fd);
    Check(ftruncate(fd, 0) == 0, "ftruncate");
    InThreads(
        [](Mapping* cut, int index) {
          const auto* words = reinterpret_cast<const uint32_t*>(cut->data());
          for (size_t at = static_cast<size_t>(index); at < kBytes / 4; at += 512) {
            Check(Look(&words[at]) == 0, "zeros in the place of lost pages");
          }
          Check(cut->faulted(), "faulted");
        },
        mapping);
    mapping->ReleaseHandle(true);
    close(fd);
  }
}

size_t CountMappings() {
  std::FILE* maps = std::fopen("/proc/self/maps", "r");
  Check(maps != nullptr, "fopen");
  size_t lines = 0;
  for (int c; (c = std::fgetc(maps)) != EOF;) lines += c == '\n';
  std::fclose(maps);
  return lines;
}

// Where nothing tells the file's length any more (its descriptor was closed): each fault from the
// last page downwards takes one page more, and all of them stay one mapping.
void FaultDownwards() {
  constexpr size_t kLarge = size_t{16} << 20;
  const int fd = MakeFile(kLarge);
  Mapping* mapping = Map(fd, kLarge);
  Check(ftruncate(fd, 0) == 0, "ftruncate");
  const size_t before = CountMappings();
  for (size_t at = kLarge; at > 0; at -= 4096) {
    auto* word = reinterpret_cast<uint32_t*>(mapping->data() + at - 4096);
    Check(Look(word) == 0, "zeros in the place of lost pages");
    *word = static_cast<uint32_t>(at);
  }
  for (size_t at = kLarge; at > 0; at -= 4096) {
    const auto* word = reinterpret_cast<uint32_t*>(mapping->data() + at - 4096);
    Check(*word == static_cast<uint32_t>(at), "what was stored since stays");
  }
  Check(CountMappings() < before + 20, "one mapping for all that is lost");
  mapping->ReleaseHandle(true);
  close(fd);
}

// Two threads answer each other through two words.
void Wake(int fd) {
  Mapping* mapping = Map(fd);
  auto* words = reinterpret_cast<uint32_t*>(mapping->data());
  const auto turn = [words](int mine, int theirs, bool first) {
    std::atomic_ref<uint32_t> in(words[mine]);
    std::atomic_ref<uint32_t> out(words[theirs]);
    for (uint32_t round = 1; round <= 2000; round++) {
      uint32_t woken = 0;
      if (first) {
        out.store(round);
        Check(platform::Wake(&words[theirs], 1, &woken).ok(), "Wake");
      }
      while (in.load() != round) {
        bool in_time = false;
        Check(platform::Wait(&words[mine], round - 1, 5000, &in_time).ok(), "Wait");
        Check(in_time, "a wake-up was lost");
      }
      if (!first) {
        out.store(round);
        Check(platform::Wake(&words[theirs], 1, &woken).ok(), "Wake");
      }
    }
  };
  words[0] = words[64] = 0;
  std::thread other(turn, 0, 64, false);
  turn(64, 0, true);
  other.join();
  mapping->ReleaseHandle(true);
}

}  // namespace

int main() {
  const int fd = MakeFile(kBytes);
  Share(fd);
  Crowd(fd);
  Fault();
  FaultDownwards();
  Wake(fd);
  close(fd);
  std::puts("threads: ok");
  return 0;
}
