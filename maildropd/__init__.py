# SPDX-License-Identifier: Apache-2.0
"""maildropd: programs hand over mail in a moment, and it gets where it must go.

    drop dir --> edge --> injector --> store --> manager --> route --> relay
                         (fsync = accepted)     (each attempt)   (smtplib)

Floors, lowest first; a module imports only from floors below its own:

    0 mail     the words: address, message, reply, outcome, errors, events
    1 host     the kernel and systemd, one foreign library per file
    2 config   what the administrator said
    3 store    the queue on disk, and the one door into it
    4 route    where each recipient goes;  relay: how it gets there;
      bounce   telling the sender what became of his mail
    5 queue    order and timing: back-off, breaker, attempt, manager
    6 edge     how mail and operators come in
    7 daemon   compose (all objects are built there) and the life cycle;
      notice   telling root that a unit of the host failed
    8 client   the other end of the doors, for Python programs;
      foreign  the files of other mail systems
    9 cli      parse, call, print, exit code;
      integrations  mail in the frameworks of others

Start with daemon/compose.py to see what is joined to what, then follow a mail
from edge/spool/pickup.py down.  docs/QUEUE.md proves that none gets lost.
"""

__version__ = "0.1.0"
