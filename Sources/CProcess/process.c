#define _GNU_SOURCE
#include "CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void lockstep_install_crash_handlers(char **environment);

static const int stop_signals[] = {SIGUSR1, SIGTERM, SIGINT, SIGHUP};
enum { STOP_SIGNALS = sizeof stop_signals / sizeof *stop_signals };
static atomic_int stop_signal;
static atomic_int has_stop_handlers;
/* The thread that is about to replace the process; 0 before. */
static atomic_int replacing;

int lockstep_stop_signal(void) { return atomic_load_explicit(&stop_signal, memory_order_relaxed); }
void lockstep_set_stop_signal(int number) { atomic_store_explicit(&stop_signal, number, memory_order_relaxed); }

static void ask_to_stop(int number) {
  if (number == SIGINT && lockstep_stop_signal() != 0) _exit(130);
  atomic_store(&stop_signal, number);
  /* Libraries have threads that do not block the signal: it is handed to the thread that lives on in the new image. */
  int thread = atomic_load(&replacing);
  if (thread != 0) syscall(SYS_tgkill, getpid(), thread, number);
}

void lockstep_install_stop_handlers(void) {
  for (int i = 0; i < STOP_SIGNALS; i++) {
    struct sigaction before, action = {.sa_handler = ask_to_stop, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (stop_signals[i] == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    sigaction(stop_signals[i], &action, NULL);
  }
  atomic_store(&has_stop_handlers, 1);
}

void lockstep_remove_stop_handlers(void) {
  if (!atomic_exchange(&has_stop_handlers, 0)) return;
  for (int i = 0; i < STOP_SIGNALS; i++) {
    struct sigaction now;
    if (sigaction(stop_signals[i], NULL, &now) == 0 && now.sa_handler == ask_to_stop) signal(stop_signals[i], SIG_DFL);
  }
  int number = atomic_exchange(&stop_signal, 0);
  if (number != 0) raise(number);
}

static void mask_stop_signals(int how) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < STOP_SIGNALS; i++) sigaddset(&set, stop_signals[i]);
  sigprocmask(how, &set, NULL);
}

void lockstep_before_exec(void) {
  mask_stop_signals(SIG_BLOCK);
  int thread = (int)syscall(SYS_gettid);
  atomic_store(&replacing, thread);
  /* The mask of this thread, and what waits behind it, pass into the new image. */
  int number = atomic_load(&stop_signal);
  if (number != 0) syscall(SYS_tgkill, getpid(), thread, number);
}

void lockstep_after_failed_exec(void) {
  atomic_store(&replacing, 0);
  mask_stop_signals(SIG_UNBLOCK);
}

/* A descriptor 0, 1 or 2 that is closed would be given to the next file that is opened, and messages would be written
   into it. The direction is the wrong one on purpose: whoever reads or writes the stream is told that it cannot be. */
static void reserve_streams(void) {
  for (int stream = 0; stream <= 2; stream++) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    int opened = open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);
    if (opened >= 0 && opened != stream) {
      dup2(opened, stream);
      close(opened);
    }
  }
}

/* Commands that save when they are asked to stop. */
static int saves_when_stopped(int count, char **arguments) {
  return count > 1 && (strcmp(arguments[1], "train") == 0 || strcmp(arguments[1], "compare") == 0);
}

static void start(int count, char **arguments, char **environment) {
  reserve_streams();
  /* A closed pipe and a file beyond the size limit are errors to report, not reasons to die. */
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  lockstep_install_crash_handlers(environment);
  if (saves_when_stopped(count, arguments)) lockstep_install_stop_handlers();
  mask_stop_signals(SIG_UNBLOCK);
}

/* Runs before the constructors of shared libraries, of which OpenBLAS's and MPI's take long enough to meet a signal. */
__attribute__((section(".preinit_array"), used)) static void (*const at_start)(int, char **, char **) = start;
