# SPDX-License-Identifier: Apache-2.0
"""Each system call of a client fails once, or is its last: no mail is lost unsaid.

An exit code of 0 means that a daemon has the whole frame and has answered, or
that it lies in the drop.  strace is the hand that does it.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence

import pytest

from tests.fakes.sendmail_daemon import answer, hang_up
from tests.integration.clients.stage import MAIL, WORDS, Ended, Stage

MOST = 60  # calls of one name
ERRORS = ("EIO", "EINTR")
# What an interpreter does for itself is not ours: only what no start of it needs.
OURS = (
    *("socket", "connect", "poll", "select", "pselect6", "sendto", "recvfrom"),
    *("shutdown", "fchmod", "write", "fsync", "rename", "renameat", "renameat2"),
)
# And for a compiled program all, its loader's included.
ALL = (*OURS, "openat", "read", "close", "setsockopt", "getrandom")
ANSWERED, LEFT, ABANDONED = "answered", "left in the drop", "abandoned half way"
TOLD = (os.EX_NOINPUT, os.EX_OSERR, os.EX_TEMPFAIL)
NOT_BEGUN = 127  # says the loader, of what it could not read


# The other two have too many calls that are not their own.
pytestmark = [
    pytest.mark.parametrize("stage", ["script", "c"], indirect=True),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing"),
]


def calls(stage: Stage) -> Sequence[str]:
    return ALL if stage.twin.is_c else OURS


def broken(stage: Stage, call: str, what: str) -> Iterator[Ended]:
    """Yield each run in which one more of these calls has gone wrong."""
    log = stage.folder / "log"
    for number in range(1, MOST):
        inject = f"inject={call}:{what}:when={number}"
        within = ("strace", "-qq", "-o", str(log), "-e", f"trace={call}", "-e", inject)
        process = stage.start(*WORDS, hasty=True, within=within)
        out, err = process.communicate(MAIL, 40)
        yield Ended(code=process.returncode, out=out, err=err)
        if len(re.findall(rf"(?m)^{call}\(", log.read_text())) < number:
            return
    raise AssertionError(f"{call} has no end")


def is_kept(stage: Stage, *, answered: bool) -> bool:
    """Tell whether a whole mail lies in the drop, or a daemon has answered for it."""
    left = [frame.content for frame in stage.dropped()]
    for path in stage.drop.iterdir():
        path.unlink()
    assert left in ([], [MAIL])
    return answered or left == [MAIL]


@pytest.mark.parametrize("scene", [ANSWERED, LEFT, ABANDONED])
@pytest.mark.parametrize("call", ALL)
def test_a_call_that_fails_loses_no_mail_unsaid(
    stage: Stage, call: str, scene: str
) -> None:
    if call not in calls(stage):
        return
    daemon = None
    if scene != LEFT:
        daemon = stage.serve(answer(b"0 ") if scene == ANSWERED else hang_up(b"bob"))

    for error in ERRORS:
        before = 0
        for ended in broken(stage, call, f"error={error}"):
            came = daemon.callers if daemon else []
            heard = [each.frame for each in came[before:] if each.heard]
            before = len(came)
            answered = scene == ANSWERED and any(each.is_whole for each in heard)
            kept = is_kept(stage, answered=answered)
            if ended.code == 0:
                assert kept, (call, error, heard)
            elif ended.code != NOT_BEGUN:
                assert ended.code in TOLD, (call, error, ended)
                assert ended.err or call == "write", (call, error, ended)


@pytest.mark.parametrize("call", [*ALL, "exit_group"])
def test_a_client_that_is_killed_leaves_a_whole_mail_or_none(
    stage: Stage, call: str
) -> None:
    """What has its name in the drop is whole; a draft begins with a dot."""
    if call not in (*calls(stage), "exit_group"):
        return

    for ended in broken(stage, call, "signal=KILL"):
        names = [path for path in stage.drop.iterdir() if path.name[0] != "."]
        drafts = [path for path in stage.drop.iterdir() if path.name[0] == "."]
        for draft in drafts:
            draft.unlink()
        assert len(names) + len(drafts) <= 1
        assert is_kept(stage, answered=False) or ended.code != 0


def test_a_failed_sync_is_no_success(stage: Stage) -> None:
    """Of the content, and of the name: neither may be promised."""
    codes = [ended.code for ended in broken(stage, "fsync", "error=EIO")]

    assert codes == [os.EX_TEMPFAIL, os.EX_TEMPFAIL, 0]
    assert len(stage.dropped()) == 1


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EROFS", "EFBIG"])
def test_a_full_disk_is_told_and_nothing_remains(stage: Stage, error: str) -> None:
    log = str(stage.folder / "log")
    inject = ("-e", "trace=write", "-e", f"inject=write:error={error}:when=1")

    ended = stage.sent(within=("strace", "-qq", "-o", log, *inject))

    assert ended.code == os.EX_TEMPFAIL
    assert os.strerror(getattr(errno, error)).encode() in ended.err
    assert stage.dropped() == []
