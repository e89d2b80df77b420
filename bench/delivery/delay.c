/* SPDX-License-Identifier: Apache-2.0
 * A long line: hands on the packets between two TUN interfaces, each so much later.
 * For kernels without netem.  The TCP at both ends sees a real round trip: in its
 * handshake, its windows, its acknowledgements.
 *
 *     delay NEAR FAR MILLISECONDS-EACH-WAY
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 32768, LARGEST = 1500 };

struct packet {
    long long due;
    int length;
    char octets[LARGEST];
};

/* What is on its way in one direction; the oldest first. */
struct way {
    int from, to;
    unsigned begin, end;
    struct packet *packets;
};

static long long now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static int tun(const char *name)
{
    struct ifreq wanted = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) {
        perror("delay: /dev/net/tun");
        exit(1);
    }
    snprintf(wanted.ifr_name, IFNAMSIZ, "%s", name);
    if (ioctl(file, TUNSETIFF, &wanted) < 0) {
        perror("delay: TUNSETIFF");
        exit(1);
    }
    return file;
}

static int is_full(const struct way *way)
{
    return way->end - way->begin == ROOM;
}

static void take(struct way *way, long long delay)
{
    while (!is_full(way)) {
        struct packet *packet = &way->packets[way->end % ROOM];
        packet->length = read(way->from, packet->octets, LARGEST);
        if (packet->length <= 0)
            return;
        packet->due = now() + delay;
        way->end++;
    }
}

/* Hand on what is due; return when the next one will be, or -1. */
static long long give(struct way *way)
{
    while (way->begin != way->end) {
        struct packet *packet = &way->packets[way->begin % ROOM];
        if (packet->due > now())
            return packet->due;
        /* An interface that is down refuses it: then the packet is lost. */
        if (write(way->to, packet->octets, packet->length) < 0 && errno == EAGAIN)
            return now() + 100000;
        way->begin++;
    }
    return -1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: delay NEAR FAR MILLISECONDS-EACH-WAY\n", stderr);
        return 64;
    }
    long long delay = atof(argv[3]) * 1000000;
    int near = tun(argv[1]), far = tun(argv[2]);
    struct way ways[2] = {{.from = near, .to = far}, {.from = far, .to = near}};
    for (int i = 0; i < 2; i++)
        if (!(ways[i].packets = calloc(ROOM, sizeof(struct packet))))
            return 1;
    /* The kernel's timers else come late by another 50 microseconds. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    puts("ready");
    fflush(stdout);
    for (;;) {
        long long next = -1;
        for (int i = 0; i < 2; i++) {
            take(&ways[i], delay);
            long long due = give(&ways[i]);
            if (due >= 0 && (next < 0 || due < next))
                next = due;
        }
        long long wait = next < 0 ? 0 : next - now();
        struct timespec rest = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
        if (next >= 0 && wait <= 0)
            continue;
        struct pollfd files[2];
        for (int i = 0; i < 2; i++)
            files[i] = (struct pollfd){.fd = is_full(&ways[i]) ? -1 : ways[i].from,
                                       .events = POLLIN};
        ppoll(files, 2, next < 0 ? NULL : &rest, NULL);
    }
}
