// Runs a program in which one system call fails with an error of the tester's choice, as under a
// seccomp filter of a container: `deny CALL INDEX FROM TO ERRNO PROGRAM [ARGUMENT…]`. It fails
// where the argument at INDEX, its lower 32 bits, is between FROM and TO.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char** words) {
  if (count < 7) return 2;
  const auto number = [words](int index) {
    return static_cast<uint32_t>(std::strtoul(words[index], nullptr, 10));
  };
  const auto argument =
      static_cast<uint32_t>(offsetof(seccomp_data, args) + number(2) * sizeof(uint64_t));
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number(1), 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, number(3), 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, number(4), 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number(5)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("prctl");
    return 3;
  }
  execvp(words[6], words + 6);
  std::perror("execvp");
  return 4;
}
