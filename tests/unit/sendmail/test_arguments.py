# SPDX-License-Identifier: Apache-2.0
"""sendmail's command line, as callers write it."""

import pytest

from maildropd.edge.sendmail.arguments import Invocation, Mode, Usage, parse

# Who calls with what, as seen on Debian 12.
CALLERS = {
    "cron": (
        "-FCronDaemon -i -B8BITMIME -oem root",
        Invocation(recipients=("root",), full_name="CronDaemon", dot_ends=False),
    ),
    "at": ("-i alice", Invocation(recipients=("alice",), dot_ends=False)),
    "anacron": (
        "-FAnacron -odi root",
        Invocation(recipients=("root",), full_name="Anacron"),
    ),
    "bsd-mailx": ("-i -t", Invocation(from_header=True, dot_ends=False)),
    "bsd-mailx -r": (
        "-i -t -f me@x",
        Invocation(from_header=True, dot_ends=False, reverse_path="me@x"),
    ),
    "s-nail": ("-i -- bob@x", Invocation(recipients=("bob@x",), dot_ends=False)),
    "s-nail -r": (
        "-i -f me@x -- bob@x",
        Invocation(recipients=("bob@x",), dot_ends=False, reverse_path="me@x"),
    ),
    "mailutils": (
        "-oi -f root@vm -t",
        Invocation(from_header=True, dot_ends=False, reverse_path="root@vm"),
    ),
    "mutt": (
        "-oem -oi -f me@x -- bob@x",
        Invocation(recipients=("bob@x",), dot_ends=False, reverse_path="me@x"),
    ),
    "git send-email": (
        "-f env@x -i a@x b@x c@x",
        Invocation(
            recipients=("a@x", "b@x", "c@x"), dot_ends=False, reverse_path="env@x"
        ),
    ),
    "php": (
        "-t -i -fbounce@x",
        Invocation(from_header=True, dot_ends=False, reverse_path="bounce@x"),
    ),
    "sudo": ("-t", Invocation(from_header=True)),
    "unattended-upgrades": ("-oi -t", Invocation(from_header=True, dot_ends=False)),
    "fail2ban": (
        "-f from@x to@x",
        Invocation(recipients=("to@x",), reverse_path="from@x"),
    ),
    "emacs": (
        "-t -oi -oem -odb -f me@x",
        Invocation(from_header=True, dot_ends=False, reverse_path="me@x"),
    ),
}


@pytest.mark.parametrize("caller", CALLERS)
def test_a_caller_is_understood(caller: str) -> None:
    words, meant = CALLERS[caller]

    assert parse(["/usr/sbin/sendmail", *words.split()]) == meant


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["-ti"], Invocation(from_header=True, dot_ends=False)),
        (["-tf", "a@b"], Invocation(from_header=True, reverse_path="a@b")),
        (["-f", ""], Invocation(reverse_path="")),
        (["-f", "<>"], Invocation(reverse_path="")),
        (["-f", "<a@b>"], Invocation(reverse_path="a@b")),
        (["-r", "a@b"], Invocation(reverse_path="a@b")),
        (["-f", "-t"], Invocation(reverse_path="-t")),
        (["-F", "A B"], Invocation(full_name="A B")),
        (["--", "-t"], Invocation(recipients=("-t",))),
        (["bob", "-t"], Invocation(recipients=("bob", "-t"))),
        (["-", "x"], Invocation(recipients=("-", "x"))),
        (["-bm", "x"], Invocation(recipients=("x",))),
        (["-bp"], Invocation(mode=Mode.QUEUE)),
        (["-bi"], Invocation(mode=Mode.ALIASES)),
        (["-I"], Invocation(mode=Mode.ALIASES)),
        (["-bv", "x"], Invocation(mode=Mode.VERIFY, recipients=("x",))),
        (["-q15m"], Invocation(mode=Mode.FLUSH)),
        (["-N", "never", "-R", "hdrs", "-V", "x"], None),
        (["-m", "-n", "-s", "-v", "-U", "-G", "-J"], Invocation(verbose=True)),
        (["-h", "10", "-X", "log", "-O", "a=b", "-C", "f", "-L", "t"], Invocation()),
        (["-XV", "-f", "l@x"], Invocation(reverse_path="l@x", verp="+=")),
        (["-XV-=", "-f", "l@x"], Invocation(reverse_path="l@x", verp="-=")),
        (["-X", "Verbose.log"], Invocation()),
        (["-e", "-dx", "-Am", "-oQ/x", "-om"], Invocation()),
        (["", "a"], Invocation(recipients=("a",))),
        ([], Invocation()),
    ],
)
def test_an_option_means_what_it_does_elsewhere(
    words: list[str], meant: Invocation | None
) -> None:
    wishes = Invocation(notify="NEVER", ret="HDRS", envid="x")

    assert parse(["sendmail", *words]) == (meant or wishes)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("/usr/bin/mailq", Mode.QUEUE),
        ("newaliases", Mode.ALIASES),
        ("x", Mode.DELIVER),
    ],
)
def test_a_name_says_what_to_do(name: str, mode: Mode) -> None:
    assert parse([name]).mode is mode


@pytest.mark.parametrize(
    "words",
    [
        ["-Z"],
        ["-f"],
        ["-tZ"],
        ["-bd"],
        ["-bs"],
        ["-bx"],
        ["-N", "sometimes"],
        ["-N", "never,success"],
        ["-R", "all"],
        ["-V", "a b"],
        ["-XVab"],
        ["-XV+"],
        ["-XV", "-f", ""],
        ["--help"],
    ],
)
def test_what_makes_no_sense_is_said(words: list[str]) -> None:
    with pytest.raises(Usage):
        parse(["sendmail", *words])


@pytest.mark.parametrize("word", ["-t", "-f", "--", "-bp", "-", "|x", "/x", ""])
def test_an_address_never_becomes_an_option(word: str) -> None:
    found = parse(["sendmail", "-i", "--", word, "-t"])

    assert found == Invocation(
        recipients=tuple(each for each in (word, "-t") if each), dot_ends=False
    )
