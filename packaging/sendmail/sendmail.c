/* SPDX-License-Identifier: Apache-2.0
 * sendmail for the Debian package: it carries, the daemon understands.  The twin of
 * maildropd/cli/sendmail.py, held to the same tests; see docs/SUBMISSION.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PLACE(name, usual) (secure_getenv(name) ? secure_getenv(name) : (usual))
#ifndef PATIENCE
#define PATIENCE 30 /* seconds for an answer, once all is said */
#endif
enum { PIECE = 65536, LUMP = 262144, NOINPUT = 66, OSERR = 71, TEMPFAIL = 75 };

static struct octets { char *at; size_t length, room; } frame, said;
static char key[33], why[800], ended; /* ended: the input has, and the frame with it */

static _Noreturn void fail(int code, const char *words, const char *more) {
    dprintf(2, "sendmail: %s%s, nothing is sent\n", words, more);
    exit(code);
}

static void add(struct octets *to, const void *from, size_t length) {
    if (to->room - to->length <= length) {
        char *more = realloc(to->at, to->room = (to->room + length + 1) * 2);
        if (!more)
            fail(OSERR, "out of memory", "");
        to->at = more;
    }
    memcpy(to->at + to->length, from, length);
    to->length += length;
}

/* Whether to try again what has failed, now that a pipe that does not block is ready. */
static int again(int fd, short events) {
    struct pollfd pipe = {.fd = fd, .events = events};
    return errno == EINTR || (errno == EAGAIN && fd <= 2 && poll(&pipe, 1, -1) >= 0);
}

static int put(int fd, const char *from, size_t length) {
    for (ssize_t n; length; from += n, length -= (size_t)n)
        while ((n = write(fd, from, length)) < 0)
            if (!again(fd, POLLOUT))
                return 1;
    return 0;
}

/* Add a piece of the input to the frame, or its end; wait for either. */
static void take_input(void) {
    static char piece[PIECE], count[32];
    ssize_t n;
    while ((n = read(0, piece, sizeof piece)) < 0)
        if (!again(0, POLLIN))
            fail(NOINPUT, "cannot read standard input: ", strerror(errno));
    add(&frame, count, (size_t)snprintf(count, sizeof count, "%zd\n", n));
    add(&frame, piece, (size_t)n);
    ended = n == 0;
}

static int connected(const char *name) {
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *run = PLACE("MAILDROP_RUN", "/run/maildrop");
    snprintf(there.sun_path, sizeof there.sun_path, "%.90s/%s", run, name);
    if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience)
        && !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience)
        && !connect(fd, (struct sockaddr *)&there, sizeof there))
        return fd;
    snprintf(why, sizeof why, "%s: %s", there.sun_path, strerror(errno));
    return -1;
}

/* Send the frame while it grows, until it ends or an answer comes before that. */
static void forward(int fd) {
    size_t sent = 0, waiting = 0;
    while ((waiting = frame.length - sent) || !ended) {
        struct pollfd both[] = {{.fd = ended || waiting > LUMP ? -1 : 0, .events = POLLIN},
                                {.fd = fd, .events = POLLIN}};
        if ((poll(both, 2, waiting ? 0 : -1) < 0 && errno != EINTR) || both[1].revents)
            return;
        if (both[0].revents)
            take_input();
        else if (put(fd, frame.at + sent, waiting) || !(sent += waiting))
            return;
    }
    shutdown(fd, SHUT_WR);
}

/* Leave the answer in said; 1: there is none, and asking again may help; 2: it will not. */
static int asked(void) {
    char piece[4096];
    ssize_t n;
    int fd = connected("sendmail");
    if (fd < 0)
        return 2;
    forward(fd);
    for (said.length = 0; (n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && again(fd, 0));)
        add(&said, piece, n < 0 ? 0 : (size_t)n);
    int late = n < 0 && errno == EAGAIN;
    close(fd);
    add(&said, "", 1);
    snprintf(why, sizeof why, "the socket: %s", late ? "no answer in time" : "no answer");
    size_t digits = strspn(said.at, "0123456789");
    return digits && digits < 4 && said.at[digits] == ' ' ? 0 : 1 + late;
}

/* Leave the frame in the drop, on disk; the last sync takes the new name along. */
static int into_the_drop(const char *drop) {
    char hidden[sizeof key + 1] = ".";
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int folder = open(drop, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int file = folder < 0 ? -1 : openat(folder, strcat(hidden, key), flags, 0640);
    if (file >= 0 && !fchmod(file, 0640) && !put(file, frame.at, frame.length) && !fsync(file)
        && !renameat(folder, hidden, folder, key) && !fsync(file))
        return 0;
    size_t end = strlen(why);
    snprintf(why + end, sizeof why - end, "; %.300s: %s", drop, strerror(errno));
    return file < 0 || !unlinkat(folder, hidden, 0) || unlinkat(folder, key, 0) || 1;
}

/* The letter of the mode; 0 for one that reads a message. */
static int mode_of(int count, char **words) {
    int mode = 0;
    const char *name = count ? basename(words[0]) : "";
    if (!strcmp(name, "mailq") || !strcmp(name, "newaliases"))
        return 'p';
    for (int n = 1; n < count && *words[n] == '-' && words[n][1] && strcmp(words[n], "--"); n++) {
        const char *word = words[n] + 1 + strspn(words[n] + 1, "GinmstUvJ");
        char letter = *word, next = letter ? word[1] : 0;
        if (letter == 'b')
            mode = next && strchr("pivdDthHs", next) ? next : 0;
        else if (letter == 'q' || letter == 'I')
            mode = letter;
        else if (letter && !next && strchr("fFrBCDhLNOopRVX", letter))
            n++;
    }
    return mode;
}

/* Carry octets both ways until the other end closes; neither way waits for the other. */
static int speak_smtp(int fd) {
    static char piece[PIECE], reply[PIECE];
    ssize_t n, held = 0, sent = 0; /* of the piece */
    for (;;) {
        struct pollfd both[] = {{.fd = ended || sent < held ? -1 : 0, .events = POLLIN},
                                {.fd = fd, .events = sent < held ? POLLIN | POLLOUT : POLLIN}};
        if (poll(both, 2, -1) < 0 && errno != EINTR)
            return TEMPFAIL;
        if (both[1].revents & ~POLLOUT)
            if ((n = read(fd, reply, sizeof reply)) <= 0 || put(1, reply, (size_t)n))
                return n ? TEMPFAIL : 0;
        if (both[1].revents & POLLOUT) {
            n = send(fd, piece + sent, (size_t)(held - sent), MSG_DONTWAIT);
            sent = n < 0 ? held : sent + n; /* below 0, nobody hears: pass it over */
        }
        if (both[0].revents && (sent = 0, held = read(0, piece, sizeof piece)) <= 0)
            ended = 1, shutdown(fd, SHUT_WR);
    }
}

int main(int count, char **words) {
    unsigned long long chance[2];
    int fd, none = 1, mode = mode_of(count, words);
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2); /* nothing becomes one by chance */
    signal(SIGPIPE, SIG_IGN), signal(SIGXFSZ, SIG_IGN);
    if (mode == 's' && (fd = connected("submission")) >= 0)
        return speak_smtp(fd);
    if (mode == 's')
        return dprintf(1, "421 4.3.2 %s\r\n", why), TEMPFAIL;
    if (getentropy(chance, sizeof chance))
        fail(OSERR, "no random numbers", "");
    snprintf(key, sizeof key, "%016llx%016llx", chance[0], chance[1]);
    add(&frame, "#!sendmail", sizeof "#!sendmail");
    add(&frame, key, sizeof key);
    add(&frame, why, (size_t)snprintf(why, sizeof why, "%d", count) + 1);
    for (int n = 0; n < count; n++)
        add(&frame, words[n], strlen(words[n]) + 1);
    add(&frame, "0\n", (ended = mode != 0) ? 2 : 0);
    for (int tries = 2; tries > 0 && none; tries -= none)
        for (none = asked(); none && !ended;)
            take_input();
    if (none && (mode || into_the_drop(PLACE("MAILDROP_DROP", "/var/spool/maildrop/drop"))))
        fail(TEMPFAIL, "nobody answers: ", why);
    size_t text = none ? 0 : strcspn(said.at, " ") + 1; /* behind the code */
    if (!text)
        return 0;
    put(atoi(said.at) ? 2 : 1, said.at + text, said.length - 1 - text);
    return atoi(said.at) > 255 ? 255 : atoi(said.at);
}
