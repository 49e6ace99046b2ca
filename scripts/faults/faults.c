// Makes chosen file calls of a process fail, stop short or end it. Loaded with LD_PRELOAD into the ranks alone:
// mpirun … env LD_PRELOAD=faults.so FAULT_PATH=… lockstep …
//
//   FAULT_PATH    only calls on absolute paths that begin so
//   FAULT_MATCH   and contain this; empty for any (a rename matches by either name)
//   FAULT_CALLS   comma-separated: open create write fsync rename mkdir unlink; open is for reading, create for writing
//   FAULT_FROM    the first matching call that is struck, from 1
//   FAULT_COUNT   how many are struck; 0 for all that follow
//   FAULT_WHILE   strike only while this file exists; the count then runs from its appearance
//   FAULT_ACTION  kill (before the call), kill-after, tear (half a write, then kill), stutter (every other write is
//                 interrupted, the others write a half),
//                 or the name of an error: ENOSPC EIO EROFS
//   FAULT_LOG     one line for each call that is struck
//   FAULT_PACE    milliseconds to wait before each write to a file named metrics.jsonl, one a logged step: the pace of a
//                 run is then alike on slow machines and fast ones
//
// The counter is shared by the threads of a process. Calls elsewhere (MPI's sockets, shared memory) pass untouched.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *prefix, *match, *calls, *switch_file, *action, *log_file;
static long first = 1, count = 1, pace;
static int error_number;
static atomic_long seen;
static atomic_int stutters;

static const char *setting(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

__attribute__((constructor)) static void read_plan(void) {
  static const struct { const char *name; int number; } errors[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EROFS", EROFS}};
  prefix = setting("FAULT_PATH");
  match = setting("FAULT_MATCH");
  calls = setting("FAULT_CALLS");
  switch_file = setting("FAULT_WHILE");
  action = setting("FAULT_ACTION");
  log_file = setting("FAULT_LOG");
  if (setting("FAULT_FROM")) first = atol(getenv("FAULT_FROM"));
  if (setting("FAULT_COUNT")) count = atol(getenv("FAULT_COUNT"));
  if (setting("FAULT_PACE")) pace = atol(getenv("FAULT_PACE"));
  for (size_t i = 0; action && i < sizeof errors / sizeof *errors; i++)
    if (!strcmp(action, errors[i].name)) error_number = errors[i].number;
}

static int listed(const char *call) {
  size_t length = strlen(call);
  for (const char *p = calls; (p = strstr(p, call)); p += length)
    if ((p == calls || p[-1] == ',') && (p[length] == ',' || !p[length])) return 1;
  return 0;
}

static int below(const char *path) {
  return path && !strncmp(path, prefix, strlen(prefix)) && (!match || strstr(path, match));
}

static void note(const char *call, const char *path, long number) {
  if (!log_file) return;
  char line[PATH_MAX + 64];
  int length = snprintf(line, sizeof line, "%s %ld %s %s\n", action, number, call, path);
  int file = (int)syscall(SYS_openat, AT_FDCWD, log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return;
  syscall(SYS_write, file, line, length < (int)sizeof line ? length : (int)sizeof line);
  syscall(SYS_close, file);
}

// Whether this call is one to strike; `other` is the second name of a rename, or NULL.
static int struck(const char *call, const char *path, const char *other) {
  if (!prefix || !calls || !action || !listed(call) || !(below(path) || below(other))) return 0;
  if (switch_file && syscall(SYS_faccessat, AT_FDCWD, switch_file, F_OK) != 0) return 0;
  long number = atomic_fetch_add(&seen, 1) + 1;
  if (number < first || (count && number >= first + count)) return 0;
  note(call, other ? other : path, number);
  return 1;
}

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

static void keep_pace(const char *path) {
  static const char name[] = "/metrics.jsonl";
  size_t length = path && pace ? strlen(path) : 0;
  if (length < sizeof name || strcmp(path + length - (sizeof name - 1), name)) return;
  nanosleep(&(struct timespec){pace / 1000, pace % 1000 * 1000000}, NULL);
}

static int killing(const char *when) { return !strcmp(action, when); }

static const char *path_of(int descriptor, char *buffer) {
  if (!prefix) return NULL;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, buffer, PATH_MAX - 1);
  if (length < 0) return NULL;
  buffer[length] = 0;
  return buffer;
}

// The absolute path of a name relative to an open folder.
static const char *path_at(int folder, const char *path, char *buffer) {
  if (!prefix || !path || path[0] == '/' || folder == AT_FDCWD || !path_of(folder, buffer)) return path;
  size_t length = strlen(buffer);
  snprintf(buffer + length, PATH_MAX - length, "/%s", path);
  return buffer;
}

#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

// A call that is struck fails with the error, or ends the process before or after it.
#define AROUND(type, call_name, path, other, real_call) \
  int hit = struck(call_name, path, other); \
  if (hit && error_number) { errno = error_number; return -1; } \
  if (hit && killing("kill")) die(); \
  type result = real_call; \
  if (hit && (killing("kill-after") || killing("tear"))) die(); \
  return result

#define HALVED(real_call_of) \
  char name[PATH_MAX]; \
  const char *path = path_of(file, name); \
  keep_pace(path); \
  int hit = struck("write", path, NULL); \
  if (hit && error_number) { errno = error_number; return -1; } \
  if (hit && killing("kill")) die(); \
  if (hit && killing("stutter") && (stutters ^= 1)) { errno = EINTR; return -1; } \
  int half = hit && size > 1 && (killing("tear") || killing("stutter")); \
  ssize_t result = real_call_of(half ? size / 2 : size); \
  if (hit && (killing("kill-after") || killing("tear"))) die(); \
  return result

ssize_t write(int file, const void *bytes, size_t size) {
  REAL(write);
#define CALL(n) real(file, bytes, n)
  HALVED(CALL);
#undef CALL
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset) {
  REAL(pwrite);
#define CALL(n) real(file, bytes, n, offset)
  HALVED(CALL);
#undef CALL
}

int fsync(int file) {
  REAL(fsync);
  char name[PATH_MAX];
  AROUND(int, "fsync", path_of(file, name), NULL, real(file));
}

int fdatasync(int file) {
  REAL(fdatasync);
  char name[PATH_MAX];
  AROUND(int, "fsync", path_of(file, name), NULL, real(file));
}

int ftruncate(int file, off_t size) {
  REAL(ftruncate);
  char name[PATH_MAX];
  AROUND(int, "write", path_of(file, name), NULL, real(file, size));
}

int rename(const char *from, const char *to) {
  REAL(rename);
  AROUND(int, "rename", from, to, real(from, to));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  REAL(renameat);
  char a[PATH_MAX], b[PATH_MAX];
  AROUND(int, "rename", path_at(from_folder, from, a), path_at(to_folder, to, b), real(from_folder, from, to_folder, to));
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
  REAL(renameat2);
  char a[PATH_MAX], b[PATH_MAX];
  AROUND(int, "rename", path_at(from_folder, from, a), path_at(to_folder, to, b), real(from_folder, from, to_folder, to, flags));
}

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  AROUND(int, "mkdir", path, NULL, real(path, mode));
}

int unlink(const char *path) {
  REAL(unlink);
  AROUND(int, "unlink", path, NULL, real(path));
}

int rmdir(const char *path) {
  REAL(rmdir);
  AROUND(int, "unlink", path, NULL, real(path));
}

int unlinkat(int folder, const char *path, int flags) {
  REAL(unlinkat);
  char name[PATH_MAX];
  AROUND(int, "unlink", path_at(folder, path, name), NULL, real(folder, path, flags));
}

#define MODE \
  mode_t mode = 0; \
  if (flags & (O_CREAT | O_TMPFILE)) { \
    va_list list; \
    va_start(list, flags); \
    mode = va_arg(list, mode_t); \
    va_end(list); \
  }
#define KIND ((flags & O_ACCMODE) == O_RDONLY ? "open" : "create")

int open(const char *path, int flags, ...) {
  REAL(open);
  MODE
  AROUND(int, KIND, path, NULL, real(path, flags, mode));
}

int open64(const char *path, int flags, ...) {
  REAL(open64);
  MODE
  AROUND(int, KIND, path, NULL, real(path, flags, mode));
}

int openat(int folder, const char *path, int flags, ...) {
  REAL(openat);
  MODE
  char name[PATH_MAX];
  AROUND(int, KIND, path_at(folder, path, name), NULL, real(folder, path, flags, mode));
}

int openat64(int folder, const char *path, int flags, ...) {
  REAL(openat64);
  MODE
  char name[PATH_MAX];
  AROUND(int, KIND, path_at(folder, path, name), NULL, real(folder, path, flags, mode));
}
