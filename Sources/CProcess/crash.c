/* One line of where, then the end by the signal itself. A backtracer that starts another program may keep a crashed rank
   alive for as long as the others wait for it. */
#define _GNU_SOURCE
#include "CProcess.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static char who[320];
/* The older place stays whole while the newer one is written. */
static struct {
  int64_t step;
  char name[96];
} places[2];
static atomic_int place_index;
static atomic_int crashed;

void lockstep_note_phase(int64_t step, const char *name) {
  int next = 1 - atomic_load_explicit(&place_index, memory_order_relaxed);
  places[next].step = step;
  strncpy(places[next].name, name, sizeof places[next].name - 1);
  atomic_store_explicit(&place_index, next, memory_order_release);
}

/* Text put together without memory of the heap. */
typedef struct {
  char text[1024];
  size_t length;
} line;

static void add(line *to, const char *text) {
  for (; *text && to->length < sizeof to->text - 1; text++) {
    unsigned char c = (unsigned char)*text;
    to->text[to->length++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
  }
}

static void add_number(line *to, uint64_t value, unsigned base) {
  char digits[65];
  size_t at = sizeof digits - 1;
  digits[at] = 0;
  do digits[--at] = "0123456789abcdef"[value % base];
  while ((value /= base) > 0);
  add(to, digits + at);
}

static uintptr_t instruction(void *context) {
  const ucontext_t *c = context;
#if defined(__x86_64__)
  return (uintptr_t)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
  return (uintptr_t)c->uc_mcontext.pc;
#else
  return 0;
#endif
}

static uint64_t hexadecimal(const char **text) {
  uint64_t value = 0;
  for (;; (*text)++) {
    char c = **text;
    if (c >= '0' && c <= '9') value = value * 16 + (uint64_t)(c - '0');
    else if (c >= 'a' && c <= 'f') value = value * 16 + (uint64_t)(c - 'a' + 10);
    else return value;
  }
}

/* A line of /proc/self/maps: START-END PERMISSIONS OFFSET DEVICE INODE PATH. Returns whether `at` lies in it.
   `file` and `base` are those of the file that the lines before belong to; it begins at its first line. */
static int add_if_inside(line *to, const char *entry, uintptr_t at, char file[256], uint64_t *base) {
  const char *text = entry;
  uint64_t first = hexadecimal(&text);
  if (*text++ != '-') return 0;
  uint64_t end = hexadecimal(&text);
  const char *slash = strrchr(text, '/');
  const char *name = slash ? slash + 1 : "";
  if (strncmp(file, name, 255) != 0) {
    *base = first;
    strncpy(file, name, 255);
  }
  if (at < first || at >= end) return 0;
  add(to, ", in ");
  add(to, slash ? name : "memory of no file");
  if (slash) {
    add(to, "+0x");
    add_number(to, at - *base, 16);
  }
  return 1;
}

/* The file that the instruction comes from, and the offset in it, as addr2line takes it. */
static void add_module(line *to, uintptr_t at) {
  static char entry[4600], file[256];
  uint64_t base = 0;
  size_t length = 0;
  int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return;
  char block[4096];
  ssize_t count;
  while ((count = read(maps, block, sizeof block)) > 0) {
    for (ssize_t i = 0; i < count; i++) {
      if (block[i] != '\n') {
        if (length < sizeof entry - 1) entry[length++] = block[i];
        continue;
      }
      entry[length] = 0;
      length = 0;
      if (add_if_inside(to, entry, at, file, &base)) {
        close(maps);
        return;
      }
    }
  }
  close(maps);
}

static const char *name_of(int number) {
  switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGFPE: return "SIGFPE";
    default: return "SIGABRT";
  }
}

static const char *cause_of(int number) {
  switch (number) {
    case SIGSEGV: return " (an invalid address)";
    case SIGBUS: return " (a file was cut short while it was read, or a disk failed)";
    case SIGILL: return " (a check of the program failed, or the CPU lacks an instruction)";
    case SIGTRAP: return " (a check of the program failed)";
    default: return "";
  }
}

static void report(int number, const siginfo_t *info, void *context) {
  static line text;
  add(&text, who);
  add(&text, "error: crashed with ");
  int sent = info && info->si_code <= 0 && info->si_pid != 0 && info->si_pid != getpid();
  add(&text, name_of(number));
  if (sent) {
    add(&text, ", sent by process ");
    add_number(&text, (uint64_t)info->si_pid, 10);
  } else {
    add(&text, cause_of(number));
  }
  int place = atomic_load_explicit(&place_index, memory_order_acquire);
  if (places[place].name[0]) {
    add(&text, " during ");
    add(&text, places[place].name);
    if (places[place].step >= 0) {
      add(&text, " of step ");
      add_number(&text, (uint64_t)places[place].step, 10);
    }
  }
  add_module(&text, instruction(context));
  text.text[text.length++] = '\n';
  ssize_t ignored = write(STDERR_FILENO, text.text, text.length);
  (void)ignored;
}

static void crash(int number, siginfo_t *info, void *context) {
  int other = atomic_exchange(&crashed, 1);
  if (other == 0) {
    report(number, info, context);
  } else {
    /* Another thread writes the line. */
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  signal(number, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  raise(number);
  _exit(128 + number);
}

static const char *value_of(char **environment, const char *name) {
  size_t length = strlen(name);
  for (; environment && *environment; environment++)
    if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') return *environment + length + 1;
  return NULL;
}

static void name_process(char **environment) {
  const char *rank = value_of(environment, "OMPI_COMM_WORLD_RANK");
  if (!rank) rank = value_of(environment, "PMIX_RANK");
  if (!rank) rank = value_of(environment, "PMI_RANK");
  if (!rank) return;
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  strcpy(who, "[rank ");
  strncat(who, rank, 12);
  strcat(who, " on ");
  strncat(who, host, 255);
  strcat(who, "] ");
}

/* Nothing is changed where the environment asks for Swift's backtracer: whoever debugs
   wants it. A handler that is there already, such as a sanitizer's, stays. */
void lockstep_install_crash_handlers(char **environment) {
  const char *wish = value_of(environment, "SWIFT_BACKTRACE");
  if (wish && (strstr(wish, "enable=yes") || strstr(wish, "enable=on") || strstr(wish, "enable=true"))) return;
  name_process(environment);
  /* For a stack that has overflowed; static, because nothing may be allocated this early. */
  static char stack[65536];
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct sigaction before;
    if (sigaction(numbers[i], NULL, &before) != 0 || before.sa_handler != SIG_DFL) continue;
    struct sigaction action = {.sa_sigaction = crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(numbers[i], &action, NULL);
  }
}
