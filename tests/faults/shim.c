/* Makes one file-system call of a process fail, counts flushes, and keeps what a power loss would leave.
 *
 * Loaded with LD_PRELOAD. Only paths below SHIM_DIR are touched. SHIM_STATE is a file of eight 64-bit words that the
 * test maps too, so that it can arm the shim while the process runs:
 *
 *   0 calls       counted calls since the test last set it to zero
 *   1 flushes     fsync and fdatasync
 *   2 fail_from   first counted call that fails; 0 is none
 *   3 fail_until  last one
 *   4 error       errno that it fails with
 *   5 mask        which calls count: 1 write, 2 flush, 4 rename, 8 truncate, 16 open, 32 only "ledger.db" and its
 *                 companions, 64 only the rest, 128 nothing of views and search, which can be thrown away
 *   6 failed      calls that failed
 *   7 seconds     by how many the wall clock is wrong
 *
 * With SHIM_SHADOW, every flush of a file copies the file's bytes to SHIM_SHADOW/<inode>, and every flush of a
 * directory writes its names to SHIM_SHADOW/<inode>.dir: what was not flushed is what a power loss takes. A copy is
 * renamed into place, so a process that is killed in the middle of a flush has not flushed. To watch another call,
 * add it below and give it a bit of the mask. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, FLUSH = 2, RENAME = 4, TRUNCATE = 8, OPEN = 16, DATABASE = 32, REST = 64, LEDGER = 128 };

static _Atomic uint64_t *state;
static char dir[4096], shadow[4096];

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("SHIM_STATE"), *below = getenv("SHIM_DIR"), *copies = getenv("SHIM_SHADOW");
    if (!path || !below) return;
    snprintf(dir, sizeof dir, "%s", below);
    if (copies) snprintf(shadow, sizeof shadow, "%s", copies);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) abort();
    void *map = mmap(NULL, 64, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    syscall(SYS_close, fd);
    state = map;
}

static int below(const char *path) {
    size_t length = strlen(dir);
    return state && length && !strncmp(path, dir, length) && (path[length] == '/' || !path[length]);
}

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlink, link, path, size - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

/* Counts a call; true if it is the one that fails. */
static int fails(int kind, const char *path) {
    uint64_t mask = state[5];
    if (!(mask & kind)) return 0;
    int database = strstr(path, "/ledger.db") != NULL;
    if (((mask & DATABASE) && !database) || ((mask & REST) && database)) return 0;
    if ((mask & LEDGER) && (strstr(path, "/views/") || strstr(path, "/search/"))) return 0;
    uint64_t call = atomic_fetch_add(&state[0], 1) + 1;
    if (!state[2] || call < state[2] || call > state[3]) return 0;
    atomic_fetch_add(&state[6], 1);
    errno = (int)state[4];
    return 1;
}

static int fd_fails(int kind, int fd) {
    char path[4096];
    return state && path_of(fd, path, sizeof path) && fails(kind, path);
}

static void copy_out(int from, const char *name) {
    char temporary[4200], target[4200], buffer[65536];
    snprintf(temporary, sizeof temporary, "%s/%s.%d.part", shadow, name, (int)syscall(SYS_gettid));
    snprintf(target, sizeof target, "%s/%s", shadow, name);
    int to = (int)syscall(SYS_openat, AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) abort();
    for (off_t at = 0;;) {
        ssize_t got = syscall(SYS_pread64, from, buffer, sizeof buffer, at);
        if (got < 0) abort();
        if (!got) break;
        for (ssize_t put = 0; put < got;) {
            ssize_t part = syscall(SYS_write, to, buffer + put, (size_t)(got - put));
            if (part < 0) abort();
            put += part;
        }
        at += got;
    }
    syscall(SYS_close, to);
    if (syscall(SYS_renameat2, AT_FDCWD, temporary, AT_FDCWD, target, 0)) abort();
}

static void list_out(const char *path, const char *name) {
    char temporary[4200], target[4200];
    snprintf(temporary, sizeof temporary, "%s/%s.%d.part", shadow, name, (int)syscall(SYS_gettid));
    snprintf(target, sizeof target, "%s/%s", shadow, name);
    int to = (int)syscall(SYS_openat, AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    DIR *entries = opendir(path);
    if (to < 0 || !entries) abort();
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (entry->d_name[0] == '.' && (!entry->d_name[1] || (entry->d_name[1] == '.' && !entry->d_name[2]))) continue;
        dprintf(to, "%llu %c %s\n", (unsigned long long)entry->d_ino, entry->d_type == DT_DIR ? 'd' : 'f', entry->d_name);
    }
    closedir(entries);
    syscall(SYS_close, to);
    if (syscall(SYS_renameat2, AT_FDCWD, temporary, AT_FDCWD, target, 0)) abort();
}

static int flush(int fd, long call) {
    char path[4096];
    if (!state || !path_of(fd, path, sizeof path)) return (int)syscall(call, fd);
    if (fails(FLUSH, path)) return -1;
    if (syscall(call, fd)) return -1;
    atomic_fetch_add(&state[1], 1);
    struct stat about;
    if (*shadow && !fstat(fd, &about)) {
        char name[64];
        if (S_ISDIR(about.st_mode)) {
            snprintf(name, sizeof name, "%llu.dir", (unsigned long long)about.st_ino);
            list_out(path, name);
        } else {
            char again[64];
            snprintf(name, sizeof name, "%llu", (unsigned long long)about.st_ino);
            snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
            int from = (int)syscall(SYS_openat, AT_FDCWD, again, O_RDONLY | O_CLOEXEC, 0);
            if (from < 0) abort();
            copy_out(from, name);
            syscall(SYS_close, from);
        }
    }
    return 0;
}

int fsync(int fd) { return flush(fd, SYS_fsync); }
int fdatasync(int fd) { return flush(fd, SYS_fdatasync); }

ssize_t write(int fd, const void *bytes, size_t size) {
    if (fd_fails(WRITE, fd)) return -1;
    return syscall(SYS_write, fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (fd_fails(WRITE, fd)) return -1;
    return syscall(SYS_writev, fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    if (fd_fails(WRITE, fd)) return -1;
    return syscall(SYS_pwrite64, fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

int ftruncate64(int fd, off64_t size) {
    if (fd_fails(TRUNCATE, fd)) return -1;
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int rename(const char *from, const char *to) {
    if (below(to) && fails(RENAME, to)) return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int open_at(int at, const char *path, int flags, mode_t mode) {
    if ((flags & O_ACCMODE) != O_RDONLY && below(path) && fails(OPEN, path)) return -1;
    return (int)syscall(SYS_openat, at, path, flags, mode);
}

#define MODE(flags) ({ mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } mode; })

int open(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE(flags)); }
int open64(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE(flags)); }
int openat(int at, const char *path, int flags, ...) { return open_at(at, path, flags, MODE(flags)); }
int openat64(int at, const char *path, int flags, ...) { return open_at(at, path, flags, MODE(flags)); }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (!done && state && clock == CLOCK_REALTIME) now->tv_sec += (time_t)(int64_t)state[7];
    return done;
}
