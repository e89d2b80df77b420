/* SPDX-License-Identifier: Apache-2.0
 *
 * A healthy SCSI disk in place of /dev/null, for smartd in a container.  smartd
 * mails a test only about a disk that it could talk to.
 */
#include <errno.h>
#include <scsi/sg.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#define INQUIRY 0x12
#define MODE_SENSE 0x1a
#define CHECK_CONDITION 2

static const unsigned char standard[36] =
    "\0\0\6\2\37\0\0\2TEST    DISK            1   ";
/* The page about exceptions: all are reported. */
static const unsigned char exceptions[16] = "\17\0\0\0\34\12";

int ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    sg_io_hdr_t *io;

    (void)fd;
    va_start(rest, request);
    io = va_arg(rest, sg_io_hdr_t *);
    va_end(rest);
    if (request != SG_IO) {
        errno = ENOTTY;
        return -1;
    }
    io->status = io->host_status = io->driver_status = 0;
    io->sb_len_wr = 0;
    io->resid = 0;
    if (io->dxfer_direction == SG_DXFER_FROM_DEV)
        memset(io->dxferp, 0, io->dxfer_len);
    if (io->cmdp[0] == INQUIRY && io->cmdp[1])
        io->status = CHECK_CONDITION; /* no further pages */
    else if (io->cmdp[0] == INQUIRY)
        memcpy(io->dxferp, standard, sizeof standard);
    else if (io->cmdp[0] == MODE_SENSE)
        memcpy(io->dxferp, exceptions, sizeof exceptions);
    return 0;
}
