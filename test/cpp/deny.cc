// Runs a program in which one system call fails with an error of the tester's choice, as under a
// seccomp filter of a container: `deny CALL COMMAND ERRNO PROGRAM [ARGUMENT…]`. COMMAND is the
// call's second argument, or -1 for any.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char** words) {
  if (count < 5) return 2;
  const auto call = static_cast<uint32_t>(std::atoi(words[1]));
  const int command = std::atoi(words[2]);
  const auto error = static_cast<uint32_t>(std::atoi(words[3]));
  const auto wanted = static_cast<uint32_t>(command);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      // For any command, both ways lead to the error.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, static_cast<uint8_t>(command < 0 ? 0 : 1)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("prctl");
    return 3;
  }
  execvp(words[4], words + 4);
  std::perror("execvp");
  return 4;
}
