// What Swift's Glibc module lacks: variadic calls, and Linux calls without a declaration there; and what only a
// preprocessor can test.
#ifndef CERTCTL_CLINUX_H
#define CERTCTL_CLINUX_H

// Without _GNU_SOURCE, as Swift's Glibc is built: the same structs would otherwise have two definitions.
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

/// Exchanges two directory entries at once: both must exist. -1 and errno on failure (renameat2(2)).
static inline int certctl_rename_exchange(const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 2 /* RENAME_EXCHANGE */);
}

/// Renames without replacing: EEXIST when the target is there (renameat2(2)). Both names are in the directory `at`.
static inline int certctl_rename_noreplace(int at, const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, at, from, at, to, 1 /* RENAME_NOREPLACE */);
}

/// open(2) with a mode: the C function is variadic.
static inline int certctl_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

/// openat(2) with a mode: the C function is variadic.
static inline int certctl_openat(int at, const char *name, int flags, mode_t mode) { return openat(at, name, flags, mode); }

/// Opens a directory for its place only, or the last link of a path itself, without any right to it (openat(2), O_PATH: its
/// declaration needs _GNU_SOURCE).
static inline int certctl_open_place(int at, const char *name, int flags) {
    return openat(at, name, flags | O_CLOEXEC | 010000000 /* O_PATH */);
}

/// A pipe whose ends a child does not get (pipe(2), FD_CLOEXEC).
static inline int certctl_pipe(int ends[2]) {
    if (pipe(ends) != 0) return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

/// Takes a connection whose descriptor does not block and is not inherited (accept4(2): its declaration needs _GNU_SOURCE).
static inline int certctl_accept(int listening) {
    return (int)syscall(SYS_accept4, listening, 0, 0, 02000000 /* SOCK_CLOEXEC */ | 04000 /* SOCK_NONBLOCK */);
}

/// Tries a POSIX write lock on the whole file, without waiting (fcntl(2), F_SETLK).
static inline int certctl_try_lock(int fd) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    return fcntl(fd, F_SETLK, &lock);
}

/// The pid that holds a lock which would conflict, 0 if none, -1 on an error (fcntl(2), F_GETLK).
static inline pid_t certctl_lock_holder(int fd) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    if (fcntl(fd, F_GETLK, &lock) != 0) return -1;
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

/// Writes what is buffered of the standard output; -1 if that, or anything written there before, has failed (ferror(3)).
static inline int certctl_flush_output(void) { return fflush(stdout) == 0 && !ferror(stdout) ? 0 : -1; }

/// Opens a path for its place only, as a process sees it whose root directory `root` is: no symlink of its leads out (openat2(2),
/// RESOLVE_IN_ROOT). Linux 5.6; ENOSYS before.
static inline int certctl_open_place_in_root(int root, const char *path) {
    struct { unsigned long long flags, mode, resolve; } how = {O_CLOEXEC | 010000000 /* O_PATH */, 0, 0x10 /* RESOLVE_IN_ROOT */};
    return (int)syscall(437 /* openat2 */, root, path, &how, sizeof how);
}

/// The same, to read a regular file; O_NONBLOCK, so that a FIFO holds nothing up.
static inline int certctl_open_file_in_root(int root, const char *path) {
    struct { unsigned long long flags, mode, resolve; } how = {O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0, 0x10};
    return (int)syscall(437 /* openat2 */, root, path, &how, sizeof how);
}

#ifndef CERTCTL_COMMIT
#define CERTCTL_COMMIT ""
#endif

/// The commit that the program is built of, empty where the build did not define it.
static inline const char *certctl_commit(void) { return CERTCTL_COMMIT; }

#endif
