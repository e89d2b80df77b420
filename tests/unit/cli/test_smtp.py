# SPDX-License-Identifier: Apache-2.0
"""The command line of maildropd-smtp."""

import pytest

from maildropd import __version__
from maildropd.cli.smtp import main


@pytest.mark.parametrize(
    "words", [["--nonsense"], ["--listen", "25"], ["--listen", "127.0.0.1:99999"]]
)
def test_a_wrong_command_line_is_a_matter_of_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A port that there is not made a traceback."""
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 64
    assert capsys.readouterr().err.startswith("usage: maildropd-smtp ")


def test_the_version_is_said_as_by_the_other_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out == f"maildropd-smtp {__version__}\n"
