// The yardstick: the ring of src/transport/ring/layout.ts in C++, between two processes that
// share a mapped file. It never parks and does not check what its peer wrote, so it shows what
// the layout and the machine allow.
//
//   spsc FILE throughput|round-trip SIZE CAPACITY CORK MILLISECONDS SECONDS [CORE CORE]
//
// Prints one line of JSON, as bench/trial-process.ts does. CORK: publish once for this many
// messages. SECONDS: end by SIGALRM after this time, whatever happens. CORE: where the
// sender and the receiver run.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr uint32_t kHeaderBytes = 1024;
constexpr uint32_t kRecordHeaderBytes = 8;
constexpr uint32_t kData = 1;
constexpr uint32_t kPadding = 2;
constexpr uint32_t kAckCapacity = 4096;

using Position = std::atomic<uint32_t>;
static_assert(Position::is_always_lock_free);

constexpr uint32_t RecordBytes(uint32_t length) { return (length + kRecordHeaderBytes + 7) & ~7u; }

struct Ring {
  uint8_t* header;
  uint32_t capacity;

  // Each position on a line of its own: byte 128 and byte 256 of the header.
  Position& tail() const { return *reinterpret_cast<Position*>(header + 128); }
  Position& head() const { return *reinterpret_cast<Position*>(header + 256); }
  uint8_t* records() const { return header + kHeaderBytes; }
};

void StoreRecordHeader(uint8_t* at, uint32_t length, uint32_t kind) {
  const uint32_t words[2] = {length, kind};
  std::memcpy(at, words, sizeof words);
}

class Producer {
 public:
  explicit Producer(Ring ring) : ring_(ring), limit_(ring.capacity) {}

  bool TryWrite(const void* source, uint32_t length) {
    const uint32_t size = RecordBytes(length);
    uint32_t index = tail_ & (ring_.capacity - 1);
    const uint32_t rest = ring_.capacity - index;
    const uint32_t wanted = size > rest ? rest + size : size;
    if (wanted > limit_ - tail_) {
      limit_ = ring_.head().load(std::memory_order_acquire) + ring_.capacity;
      if (wanted > limit_ - tail_) {
        Publish();  // held back records would keep the consumer from making room
        return false;
      }
    }
    if (size > rest) {
      StoreRecordHeader(ring_.records() + index, rest - kRecordHeaderBytes, kPadding);
      tail_ += rest;
      index = 0;
    }
    uint8_t* record = ring_.records() + index;
    StoreRecordHeader(record, length, kData);
    std::memcpy(record + kRecordHeaderBytes, source, length);
    tail_ += size;
    return true;
  }

  void Publish() { ring_.tail().store(tail_, std::memory_order_release); }

 private:
  const Ring ring_;
  uint32_t tail_ = 0;
  uint32_t limit_;  // the consumer's head, as last seen, plus the capacity
};

class Consumer {
 public:
  explicit Consumer(Ring ring) : ring_(ring) {}

  template <typename Handler>
  uint32_t Drain(Handler&& handle) {
    uint32_t count = 0;
    uint32_t released = head_;
    for (;;) {
      if (head_ == tail_) {
        tail_ = ring_.tail().load(std::memory_order_acquire);
        if (head_ == tail_) break;
      }
      const uint8_t* record = ring_.records() + (head_ & (ring_.capacity - 1));
      uint32_t words[2];
      std::memcpy(words, record, sizeof words);
      head_ += RecordBytes(words[0]);
      if (words[1] == kPadding) continue;
      count++;
      handle(record + kRecordHeaderBytes, words[0]);
      if (head_ - released >= ring_.capacity / 4) Release(released = head_);
    }
    if (released != head_) Release(head_);
    return count;
  }

 private:
  void Release(uint32_t head) { ring_.head().store(head, std::memory_order_release); }

  const Ring ring_;
  uint32_t head_ = 0;
  uint32_t tail_ = 0;  // the producer's tail, as last seen
};

struct Tally {
  uint32_t count = 0;
  uint32_t sum = 0;

  void Add(uint32_t sequence, uint8_t last_byte) {
    count++;
    sum = sum * 31 + sequence + last_byte;
  }
};

// The receiving process: acknowledges each batch with what it has counted so far. With
// `copy` it moves each payload into memory of its own before it reads it.
[[noreturn]] void Receive(Ring forth, Ring back, uint32_t size, bool copy) {
  std::vector<uint8_t> own(size);
  Consumer consumer(forth);
  Producer acks(back);
  Tally tally;
  for (;;) {
    consumer.Drain([&](const uint8_t* payload, uint32_t length) {
      if (copy) {
        std::memcpy(own.data(), payload, length);
        payload = own.data();
      }
      uint32_t words[2];
      std::memcpy(words, payload, sizeof words);
      tally.Add(words[0], payload[length - 1]);
      if (words[1] == 0) return;
      while (!acks.TryWrite(&tally, sizeof tally)) {
      }
      acks.Publish();
    });
  }
}

class Sender {
 public:
  Sender(Ring forth, Ring back, uint32_t size, uint32_t cork)
      : producer_(forth), acks_(back), payload_(size), cork_(cork) {}

  void Batch(uint32_t count) {
    for (uint32_t i = 1; i <= count; i++) {
      Fill(i == count);
      while (!producer_.TryWrite(payload_.data(), static_cast<uint32_t>(payload_.size()))) {
      }
      if (i % cork_ == 0 || i == count) producer_.Publish();
    }
    Tally got;
    while (acks_.Drain([&](const uint8_t* ack, uint32_t) { std::memcpy(&got, ack, sizeof got); }) ==
           0) {
    }
    if (got.count != sent_.count || got.sum != sent_.sum) {
      std::fprintf(stderr, "sent %u messages with sum %u, acknowledged %u with %u\n", sent_.count,
                   sent_.sum, got.count, got.sum);
      std::exit(1);
    }
    total_ += count;
  }

  uint64_t total() const { return total_; }

 private:
  void Fill(bool last) {
    const uint32_t words[2] = {++sequence_, last};
    std::memcpy(payload_.data(), words, sizeof words);
    payload_.back() = static_cast<uint8_t>(sequence_);
    sent_.Add(sequence_, payload_.back());
  }

  Producer producer_;
  Consumer acks_;
  std::vector<uint8_t> payload_;
  const uint32_t cork_;
  uint32_t sequence_ = 0;
  Tally sent_;
  uint64_t total_ = 0;
};

double Now() {  // milliseconds
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

// Messages per batch so that one takes about `target` milliseconds. The best of some
// tries counts, as in bench/measure.ts.
uint32_t Calibrate(Sender& sender, double target) {
  for (uint32_t count = 1;; count *= 2) {
    double best = target;
    for (int i = 0; i < 4 && best >= target / 2; i++) {
      const double start = Now();
      sender.Batch(count);
      best = i == 0 ? Now() - start : std::min(best, Now() - start);
    }
    if (best >= target / 2) {
      return std::max(1u, static_cast<uint32_t>(std::lround(count * target / best)));
    }
  }
}

// How long each run of the task took, shortest first.
template <typename Task>
std::vector<double> Sample(double milliseconds, Task&& task) {
  std::vector<double> samples;
  for (const double end = Now() + milliseconds; Now() < end || samples.size() < 4;) {
    const double start = Now();
    task();
    samples.push_back(Now() - start);
  }
  std::sort(samples.begin(), samples.end());
  return samples;
}

double Quantile(const std::vector<double>& sorted, double quantile) {
  return sorted[static_cast<size_t>(quantile * static_cast<double>(sorted.size() - 1))];
}

void Throughput(Sender& sender, double milliseconds) {
  const uint32_t cold = Calibrate(sender, 30);
  const uint32_t count = std::max(cold, Calibrate(sender, 30));
  const auto task = [&] { sender.Batch(count); };
  Sample(milliseconds / 4, task);
  const auto samples = Sample(milliseconds, task);
  std::printf("{\"messages\":%lu,\"batch\":%u,\"messagesPerSecond\":%.0f}\n",
              static_cast<unsigned long>(sender.total()), count,
              1000.0 * count / Quantile(samples, 0.5));
}

void RoundTrip(Sender& sender, double milliseconds, uint32_t trips) {
  const auto task = [&] {
    for (uint32_t i = 0; i < trips; i++) sender.Batch(1);
  };
  Sample(milliseconds / 4, task);
  const auto samples = Sample(milliseconds, task);
  std::printf("{\"messages\":%lu,\"batch\":%u,\"p50\":%.4f,\"p99\":%.4f}\n",
              static_cast<unsigned long>(sender.total()), trips,
              1000 * Quantile(samples, 0.5) / trips, 1000 * Quantile(samples, 0.99) / trips);
}

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

void Bind([[maybe_unused]] const char* core) {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(std::strtoul(core, nullptr, 10), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) Fail("sched_setaffinity");
#endif
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8 && argc != 10) {
    std::fprintf(stderr,
                 "usage: spsc FILE KIND SIZE CAPACITY CORK MILLISECONDS SECONDS [CORE CORE]\n");
    return 2;
  }
  const bool copy = std::string_view(argv[2]) == "copied";
  const bool round_trip = std::string_view(argv[2]) == "round-trip";
  const auto size = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10));
  const auto capacity = static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10));
  const auto cork = static_cast<uint32_t>(std::strtoul(argv[5], nullptr, 10));
  const double milliseconds = std::strtod(argv[6], nullptr);
  const auto seconds = static_cast<unsigned>(std::strtoul(argv[7], nullptr, 10));

  const size_t bytes = 2 * kHeaderBytes + size_t{capacity} + kAckCapacity;
  const int fd = open(argv[1], O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (fd < 0) Fail("open");
  unlink(argv[1]);  // the mapping outlives the name, so nothing can be left behind
  if (const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes)); error != 0) {
    errno = error;
    Fail("posix_fallocate");
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) Fail("mmap");
  const Ring forth{static_cast<uint8_t*>(memory), capacity};
  const Ring back{forth.records() + capacity, kAckCapacity};

  const pid_t peer = fork();
  if (peer < 0) Fail("fork");
  alarm(seconds);
  if (argc == 10) Bind(argv[peer == 0 ? 9 : 8]);
  if (peer == 0) Receive(forth, back, size, copy);

  Sender sender(forth, back, size, cork);
  // As in bench/measure.ts, a sample is long against the clock that times it.
  if (round_trip) {
    RoundTrip(sender, milliseconds, std::min(Calibrate(sender, 0.01), 64u));
  } else {
    Throughput(sender, milliseconds);
  }
  kill(peer, SIGKILL);
  waitpid(peer, nullptr, 0);
  return 0;
}
