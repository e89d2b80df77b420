/* SPDX-License-Identifier: Apache-2.0
 *
 * System calls that fail, or are the last, where a test says so.
 *
 * Preloaded into a process, this counts the calls that change what is on disk
 * below one directory, whoever makes them: our code or SQLite's.  The plan lies
 * in memory that the test shares, so it can be read after the process is dead.
 *
 * It also keeps the disk as a power cut would leave it at worst: whatever is
 * synced is copied to a second directory, octets by the inode's number, names
 * by that of their directory.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PASS, FAIL_ONCE, FAIL_ON, DIE_BEFORE, TEAR, FAIL_DATABASE };
enum { TRACED = 512, WORD = 64, FDS = 4096 };

/* Laid out once more in steps_shim.py. */
struct plan {
    _Atomic int armed;
    int mode;
    long at;              /* the call that it is about; 1 is the first */
    int error;
    int renames_cross;    /* as if each rename led to another file system */
    _Atomic long calls;   /* so many have been counted */
    _Atomic long broken;  /* so many were made to fail */
    char root[PATH_MAX];  /* only what is below counts */
    char synced[PATH_MAX]; /* "" or where the synced state is kept */
    char trace[TRACED][WORD];
};

static struct plan *plan;
static unsigned char ours[FDS]; /* descriptors below the root */

void steps_use(struct plan *shared) { plan = shared; }

static int below(const char *path)
{
    size_t length;
    if (!plan || !path || !plan->root[0])
        return 0;
    length = strlen(plan->root);
    return !strncmp(path, plan->root, length) &&
           (path[length] == '/' || path[length] == '\0');
}

static int is_ours(int fd) { return fd >= 0 && fd < FDS && ours[fd]; }

static int counts(int directory, const char *path)
{
    return path[0] == '/' ? below(path) : is_ours(directory);
}

static int opened(int fd, int mine)
{
    if (fd >= 0 && fd < FDS)
        ours[fd] = mine;
    return fd;
}

/* Return 0 to go on, 1 to tear, -1 to fail; or do not return. */
static int step(const char *call, const char *what)
{
    const char *name = strrchr(what, '/') ? strrchr(what, '/') + 1 : what;
    long number;
    if (!plan || !plan->armed)
        return 0;
    number = ++plan->calls;
    if (number <= TRACED)
        snprintf(plan->trace[number - 1], WORD, "%s %s", call, name);
    if (plan->mode == PASS || number < plan->at)
        return 0;
    if (number > plan->at && plan->mode != FAIL_ON &&
        (plan->mode != FAIL_DATABASE || strncmp(name, "queue.db", 8)))
        return 0;
    if (plan->mode == DIE_BEFORE)
        kill(getpid(), SIGKILL);
    if (plan->mode == TEAR)
        return 1;
    plan->broken++;
    errno = plan->error;
    return -1;
}

void steps_mark(const char *word) { step("mark", word); }

static int step_fd(const char *call, int fd)
{
    char link[32], path[PATH_MAX];
    ssize_t length;
    if (!is_ours(fd) || !plan || !plan->armed)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    return step(call, path);
}

/* --- what is synced ------------------------------------------------------ */

/* Under another name until it is whole: the process may die any time. */
static void shadow_path(char *path, const struct stat *status, const char *kind)
{
    snprintf(path, 2 * PATH_MAX, "%s/%lu.%s", plan->synced,
             (unsigned long)status->st_ino, kind);
}

static int shadow(const struct stat *status)
{
    char path[2 * PATH_MAX];
    shadow_path(path, status, "new");
    return syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

static void shadow_done(int fd, const struct stat *status, const char *kind)
{
    char from[2 * PATH_MAX], to[2 * PATH_MAX];
    syscall(SYS_close, fd);
    shadow_path(from, status, "new");
    shadow_path(to, status, kind);
    syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static void keep_octets(int fd, const struct stat *status)
{
    static char piece[65536];
    char path[32];
    ssize_t length;
    int to = shadow(status), from;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    from = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
    while ((length = read(from, piece, sizeof piece)) > 0)
        syscall(SYS_write, to, piece, length);
    syscall(SYS_close, from);
    shadow_done(to, status, "octets");
}

static void keep_names(int fd, const struct stat *status)
{
    char path[32], line[NAME_MAX + 64];
    struct dirent *entry;
    int to = shadow(status);
    DIR *names;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    names = opendir(path);
    while ((entry = readdir(names))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        syscall(SYS_write, to, line,
                snprintf(line, sizeof line, "%lu %d %s\n",
                         (unsigned long)entry->d_ino, entry->d_type == DT_DIR,
                         entry->d_name));
    }
    closedir(names);
    shadow_done(to, status, "names");
}

static int synced(int fd, int result)
{
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    struct stat status;
    if (result == 0 && is_ours(fd) && plan->synced[0] && !fstat(fd, &status)) {
        while (atomic_flag_test_and_set(&busy))
            ;
        if (S_ISDIR(status.st_mode))
            keep_names(fd, &status);
        else
            keep_octets(fd, &status);
        atomic_flag_clear(&busy);
    }
    return result;
}

/* --- the calls ----------------------------------------------------------- */

static int open_at(int directory, const char *path, int flags, mode_t mode)
{
    int mine = counts(directory, path);
    if (mine && step(flags & O_CREAT ? "create" : "open", path) < 0)
        return -1;
    return opened(syscall(SYS_openat, directory, path, flags, mode), mine);
}

#define MODE(last)                          \
    mode_t mode = 0;                        \
    if (flags & (O_CREAT | O_TMPFILE)) {    \
        va_list rest;                       \
        va_start(rest, last);               \
        mode = va_arg(rest, mode_t);        \
        va_end(rest);                       \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    MODE(flags)
    return open_at(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...)
{
    MODE(flags)
    return open_at(directory, path, flags, mode);
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS)
        ours[fd] = 0;
    return syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *octets, size_t length)
{
    int what = step_fd("write", fd);
    if (what < 0)
        return -1;
    if (what > 0) {
        syscall(SYS_write, fd, octets, length / 2);
        kill(getpid(), SIGKILL);
    }
    return syscall(SYS_write, fd, octets, length);
}

ssize_t pwrite64(int fd, const void *octets, size_t length, off_t at)
{
    int what = step_fd("write", fd);
    if (what < 0)
        return -1;
    if (what > 0) {
        /* A disk writes a sector whole, or not at all. */
        off_t end = (at + (off_t)length / 2) / 512 * 512;
        if (end > at)
            syscall(SYS_pwrite64, fd, octets, end - at, at);
        kill(getpid(), SIGKILL);
    }
    return syscall(SYS_pwrite64, fd, octets, length, at);
}

ssize_t pwrite(int fd, const void *octets, size_t length, off_t at)
{
    return pwrite64(fd, octets, length, at);
}

int fsync(int fd)
{
    return step_fd("sync", fd) < 0 ? -1 : synced(fd, syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
    return step_fd("sync", fd) < 0 ? -1 : synced(fd, syscall(SYS_fdatasync, fd));
}

int ftruncate64(int fd, off_t length)
{
    return step_fd("truncate", fd) < 0 ? -1 : syscall(SYS_ftruncate, fd, length);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fallocate64(int fd, int mode, off_t at, off_t length)
{
    return step_fd("allocate", fd) < 0
               ? -1
               : syscall(SYS_fallocate, fd, mode, at, length);
}

int posix_fallocate64(int fd, off_t at, off_t length)
{
    return fallocate64(fd, 0, at, length) < 0 ? errno : 0;
}

int unlinkat(int directory, const char *path, int flags)
{
    if (counts(directory, path) && step("unlink", path) < 0)
        return -1;
    return syscall(SYS_unlinkat, directory, path, flags);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int renameat(int from, const char *old, int to, const char *new)
{
    if (counts(from, old) || counts(to, new)) {
        if (step("rename", old) < 0)
            return -1;
        if (plan->armed && plan->renames_cross) {
            errno = EXDEV;
            return -1;
        }
    }
    return syscall(SYS_renameat2, from, old, to, new, 0);
}

int rename(const char *old, const char *new)
{
    return renameat(AT_FDCWD, old, AT_FDCWD, new);
}

int linkat(int from, const char *old, int to, const char *new, int flags)
{
    if (counts(to, new) && step("link", new) < 0)
        return -1;
    return syscall(SYS_linkat, from, old, to, new, flags);
}

int link(const char *old, const char *new)
{
    return linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

int mkdirat(int directory, const char *path, mode_t mode)
{
    if (counts(directory, path) && step("mkdir", path) < 0)
        return -1;
    return syscall(SYS_mkdirat, directory, path, mode);
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
