/*
 * Counts what the benchmark's figures must show beside their rates: calls of fsync and fdatasync.
 *
 * Loaded with LD_PRELOAD. GONGKAI_FLUSHES names a file of eight bytes that is mapped as the counter,
 * so that another process can read it while this one runs. Every call goes on to the real function;
 * nothing is delayed, skipped or made to fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t uncounted;
static _Atomic uint64_t *counter = &uncounted;
static int (*next_fsync)(int);
static int (*next_fdatasync)(int);

/* A figure without its flushes would be worth nothing, so a counter that cannot be had ends the process. */
static void give_up(const char *what) {
    perror(what);
    abort();
}

__attribute__((constructor)) static void begin(void) {
    *(void **)&next_fsync = dlsym(RTLD_NEXT, "fsync");
    *(void **)&next_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    if (!next_fsync || !next_fdatasync) give_up("flush counter: fsync");
    const char *path = getenv("GONGKAI_FLUSHES");
    if (!path) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) give_up("flush counter: open");
    void *mapped = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) give_up("flush counter: mmap");
    close(file);
    counter = mapped;
}

int fsync(int file) {
    atomic_fetch_add(counter, 1);
    return next_fsync(file);
}

int fdatasync(int file) {
    atomic_fetch_add(counter, 1);
    return next_fdatasync(file);
}
