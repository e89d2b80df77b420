# SPDX-License-Identifier: Apache-2.0
"""Whether a value of another system can stand in a line of maildropd.conf."""

import re


def said(value: str) -> str | None:
    """Return None if it reads there as it is, else words that follow its name."""
    if not value:
        return "is empty (write what it should be)"
    if not value.isprintable():
        return "contains a control character (write it without)"
    if value != value.strip() or re.search(r"\s[#;]", value) or value.endswith("\\"):
        return "has blanks or a backslash where our configuration drops them"
    if value[0] in "\"'" and value[-1] == value[0]:
        return "has quotes around it (write it without)"
    return None
