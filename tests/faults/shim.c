// Loaded in front of libc (LD_PRELOAD): makes a running program's disk fail and its clock jump, as three
// numbers in the file $FAULT_CONTROL say at that moment. Only files below $FAULT_FOLDER are touched. It
// sees the calls of shared libraries too, SQLite's among them.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
  volatile int32_t read_error;  // errno of reads; 0: they work
  volatile int32_t write_error; // errno of writes, syncs and changes of names
  volatile int64_t clock_jump;  // seconds, of the wall clock
};

static struct control none;
static struct control* control = &none;
static const char* folder;

__attribute__((constructor)) static void begin(void) {
  const char* file = getenv("FAULT_CONTROL");
  folder = getenv("FAULT_FOLDER");
  const int descriptor = file ? (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC) : -1;
  if (descriptor < 0)
    return;
  void* mapped = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, descriptor, 0);
  if (mapped != MAP_FAILED)
    control = mapped;
  syscall(SYS_close, descriptor);
}

static int path_is_ours(const char* path) {
  return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int file_is_ours(int descriptor) {
  char link[32] = "/proc/self/fd/", target[4096];
  char digits[12];
  int length = 0;
  do
    digits[length++] = (char)('0' + descriptor % 10);
  while (descriptor /= 10);
  char* end = link + strlen(link);
  while (length)
    *end++ = digits[--length];
  *end = 0;
  const long size = syscall(SYS_readlinkat, AT_FDCWD, link, target, sizeof target - 1);
  if (size < 0)
    return 0;
  target[size] = 0;
  return path_is_ours(target);
}

static int fails(int error) {
  errno = error;
  return -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define READ_FAILS(descriptor) (control->read_error && file_is_ours(descriptor))
#define WRITE_FAILS(descriptor) (control->write_error && file_is_ours(descriptor))
#define CHANGE_FAILS(path) (control->write_error && path_is_ours(path))

ssize_t read(int descriptor, void* bytes, size_t size) {
  return READ_FAILS(descriptor) ? fails(control->read_error)
                                : syscall(SYS_read, descriptor, bytes, size);
}
ssize_t pread(int descriptor, void* bytes, size_t size, off_t at) {
  return READ_FAILS(descriptor) ? fails(control->read_error)
                                : syscall(SYS_pread64, descriptor, bytes, size, at);
}
ssize_t pread64(int descriptor, void* bytes, size_t size, off64_t at) {
  return pread(descriptor, bytes, size, at);
}
ssize_t write(int descriptor, const void* bytes, size_t size) {
  return WRITE_FAILS(descriptor) ? fails(control->write_error)
                                 : syscall(SYS_write, descriptor, bytes, size);
}
ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t at) {
  return WRITE_FAILS(descriptor) ? fails(control->write_error)
                                 : syscall(SYS_pwrite64, descriptor, bytes, size, at);
}
ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t at) {
  return pwrite(descriptor, bytes, size, at);
}
int fsync(int descriptor) {
  return WRITE_FAILS(descriptor) ? fails(control->write_error) : (int)syscall(SYS_fsync, descriptor);
}
int fdatasync(int descriptor) {
  return WRITE_FAILS(descriptor) ? fails(control->write_error)
                                 : (int)syscall(SYS_fdatasync, descriptor);
}

// A full or a failing disk still opens files; one that is read-only does not for writing.
static int open_fails(const char* path, int flags) {
  return control->write_error == EROFS && (flags & (O_CREAT | O_WRONLY | O_RDWR)) &&
         path_is_ours(path);
}

static int opened(int at, const char* path, int flags, int mode) {
  return open_fails(path, flags) ? fails(EROFS) : (int)syscall(SYS_openat, at, path, flags, mode);
}

#define MODE(flags)                                                                                \
  int mode = 0;                                                                                    \
  if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                         \
    va_list rest;                                                                                  \
    va_start(rest, flags);                                                                         \
    mode = va_arg(rest, int);                                                                      \
    va_end(rest);                                                                                  \
  }

int open(const char* path, int flags, ...) {
  MODE(flags)
  return opened(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE(flags)
  return opened(AT_FDCWD, path, flags, mode);
}
int openat(int at, const char* path, int flags, ...) {
  MODE(flags)
  return opened(at, path, flags, mode);
}

int rename(const char* from, const char* to) {
  return CHANGE_FAILS(to) ? fails(control->write_error) : NEXT(rename)(from, to);
}
int mkdir(const char* path, mode_t mode) { // that it is there already is seen first, as by Linux
  return CHANGE_FAILS(path) && access(path, F_OK) != 0 ? fails(control->write_error)
                                                       : NEXT(mkdir)(path, mode);
}
int unlink(const char* path) {
  return CHANGE_FAILS(path) && control->write_error == EROFS ? fails(EROFS) : NEXT(unlink)(path);
}

int clock_gettime(clockid_t clock, struct timespec* out) {
  const int result = (int)syscall(SYS_clock_gettime, clock, out);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    out->tv_sec += control->clock_jump;
  return result;
}
time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out)
    *out = now.tv_sec;
  return now.tv_sec;
}
int gettimeofday(struct timeval* restrict out, void* restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}
