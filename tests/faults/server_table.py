# SPDX-License-Identifier: Apache-2.0
"""What a server does, and what becomes of the mail: the promise, to be read.

A line is for each stage it names.  Columns: stage; what the server does
there; what becomes of both recipients; the reply that is kept, in which {at}
is the place and * anything; how long until the next attempt.  "waits" is a
broken route: no attempt is counted, all mail waits.  "alarm" waits, too, and
somebody is told.  The word "kept" after a stage: the message was taken first.
"""

from dataclasses import dataclass
from itertools import product

TABLE = r"""
# Nobody is there.
connect            | refuses             | waits     | 451 4.4.1 connect to {relay}: Connection refused           | 1 s
connect            | ignores             | waits     | 451 4.4.1 connect to {relay}: timed out                    | 1 s
connect            | closes              | waits     | 451 4.4.2 connection closed by the server (at greeting)    | 1 s
connect banner     | resets              | waits     | 451 4.4.? con*: Connection reset by peer*                  | 1 s
connect            | hangs               | waits     | 451 4.4.2 timed out after {limit} s (at greeting)          | 1 s

# Before a message is named, nothing is about a message.
{before}           | closes              | waits     | 451 4.4.2 connection closed by the server (at {at})        | 1 s
ehlo helo starttls auth | resets              | waits     | 451 4.4.2 connection broken: Connection reset by peer (at {at}) | 1 s
{before}           | hangs               | waits     | 451 4.4.2 timed out after {limit} s (at {at})              | 1 s
{before}           | half a reply        | waits     | 451 4.4.2 timed out after {limit} s (at {at})              | 1 s
{before}           | drips               | waits     | 451 4.4.2 timed out after {limit} s (at {at})              | 1 s
{greeted}          | a line of 10 MB     | waits     | 451 4.5.0 reply line without end (at {at})                 | 1 s
{greeted}          | lines without end   | waits     | 451 4.5.0 reply of more than 100 lines (at {at})           | 1 s
{greeted}          | garbage             | waits     | 451 4.5.0 not a reply: 'hello there' (at {at})             | 1 s
{greeted}          | binary              | waits     | 451 4.5.0 not a reply: '\xff\xfe\x00\x80' (at {at})        | 1 s
{greeted}          | an empty line       | waits     | 451 4.5.0 not a reply: '' (at {at})                        | 1 s
{greeted}          | code 199            | waits     | 451 4.5.0 not a reply: '199 go' (at {at})                  | 1 s
{greeted}          | code 999            | waits     | 451 4.5.0 not a reply: '999 go' (at {at})                  | 1 s
{greeted}          | 250_ok              | waits     | 451 4.5.0 not a reply: '250_ok' (at {at})                  | 1 s
{greeted}          | yes and no          | waits     | 451 4.5.0 reply with contradicting codes (at {at})         | 1 s
{greeted}          | 350                 | waits     | 451 4.5.0 unexpected reply 350 (at {at})                   | 1 s
banner ehlo helo   | two replies         | waits     | 451 4.5.0 *                                                | 1 s
{before}           | 421                 | waits     | 421 4.3.2 closing (in reply to {at})                       | 1 s
{before}           | 450                 | waits     | 450 4.3.0 later (in reply to {at})                         | 1 s
banner helo starttls | 550               | waits     | 550 5.3.0 never (in reply to {at})                         | 1 s
banner             | 554 blocked         | waits     | 554 5.7.1 Client host blocked (in reply to {at})           | 1 s
banner starttls    | yes, octet by octet | delivered |                                                            |
banner ehlo helo   | yes, wrong status   | delivered |                                                            |
ehlo               | 550                 | delivered |                                                            |
ehlo               | yes, octet by octet | delivered |                                                            |

# AUTH: what is no reply may hold the secret, and is not quoted.
auth               | a line of 10 MB     | waits     | 451 4.5.0 not a reply (withheld) (at AUTH)                 | 1 s
auth               | lines without end   | waits     | 451 4.5.0 not a reply (withheld) (at AUTH)                 | 1 s
auth               | garbage             | waits     | 451 4.5.0 not a reply (withheld) (at AUTH)                 | 1 s
auth               | yes and no          | waits     | 451 4.5.0 not a reply (withheld) (at AUTH)                 | 1 s
auth               | 350                 | waits     | 451 4.5.0 no end of AUTH                                   | 1 s
auth               | two replies         | waits     | 451 4.5.0 *                                                | 1 s
auth               | 535                 | alarm     | 535 5.7.8 wrong password (in reply to AUTH)                | 1 min
auth               | 550                 | alarm     | 550 5.3.0 never (in reply to AUTH)                         | 1 min
auth               | is not offered      | alarm     | 451 4.7.0 the server does not offer AUTH, but a username is set | 1 min
auth               | vanishes after TLS  | alarm     | 451 4.7.0 the server does not offer AUTH, but a username is set | 1 min

# TLS: in clear is no way back.
starttls           | is not offered      | waits     | 451 4.7.4 the server does not offer STARTTLS, and tls = required | 1 s
tls                | closes              | waits     | 451 4.7.5 TLS failed: * (at STARTTLS)                      | 1 s
tls                | resets              | waits     | 451 4.7.5 TLS failed: * (at STARTTLS)                      | 1 s
tls                | hangs               | waits     | 451 4.4.2 timed out after {limit} s (at STARTTLS)          | 1 s
tls                | garbage             | waits     | 451 4.7.5 TLS failed: * (at STARTTLS)                      | 1 s
tls                | an alert            | waits     | 451 4.7.5 TLS failed: * (at STARTTLS)                      | 1 s
tls                | expired             | alarm     | 451 4.7.5 certificate not accepted: certificate has expired * (at STARTTLS) | 1 s
tls                | self-signed         | alarm     | 451 4.7.5 certificate not accepted: self-signed certificate * (at STARTTLS) | 1 s
tls                | wrong-name          | alarm     | 451 4.7.5 certificate not accepted: IP address mismatch, certificate is not valid for '127.0.0.1'. * (at STARTTLS) | 1 s
tls                | clear with the 220  | waits     | 451 4.7.5 plaintext was sent after the reply to STARTTLS (at STARTTLS) | 1 s
tls                | clear for a hello   | waits     | 451 4.7.5 TLS failed: * (at STARTTLS)                      | 1 s
tls                | clear after TLS     | waits     | 451 4.4.2 connection broken: * (at EHLO)                   | 1 s

# From MAIL to DATA nothing is delivered yet.  A break is blamed on the message, the first time.
{named}            | closes              | deferred  | 451 4.4.2 connection closed by the server (at {at})        | 5 min
{named}            | resets              | deferred  | 451 4.4.2 connection broken: Connection reset by peer (at {at}) | 5 min
{named}            | hangs               | deferred  | 451 4.4.2 timed out after {limit} s (at {at})              | 5 min
{named}            | half a reply        | deferred  | 451 4.4.2 timed out after {limit} s (at {at})              | 5 min
{named}            | drips               | deferred  | 451 4.4.2 timed out after {limit} s (at {at})              | 5 min
{named}            | a line of 10 MB     | deferred  | 451 4.5.0 reply line without end (at {at})                 | 5 min
{named}            | lines without end   | deferred  | 451 4.5.0 reply of more than 100 lines (at {at})           | 5 min
{named}            | garbage             | deferred  | 451 4.5.0 not a reply: 'hello there' (at {at})             | 5 min
{named}            | binary              | deferred  | 451 4.5.0 not a reply: '\xff\xfe\x00\x80' (at {at})        | 5 min
{named}            | an empty line       | deferred  | 451 4.5.0 not a reply: '' (at {at})                        | 5 min
{named}            | code 199            | deferred  | 451 4.5.0 not a reply: '199 go' (at {at})                  | 5 min
{named}            | code 999            | deferred  | 451 4.5.0 not a reply: '999 go' (at {at})                  | 5 min
{named}            | 250_ok              | deferred  | 451 4.5.0 not a reply: '250_ok' (at {at})                  | 5 min
{named}            | yes and no          | deferred  | 451 4.5.0 reply with contradicting codes (at {at})         | 5 min
mail rcpt          | 350                 | deferred  | 451 4.5.0 unexpected reply 350 (at {at})                   | 5 min
data               | yes, wrong status   | deferred  | 451 4.5.0 unexpected reply 250 (at DATA)                   | 5 min
{named}            | two replies         | deferred  | 451 4.5.0 *                                                | 5 min
{named}            | 421                 | waits     | 421 4.3.2 closing (in reply to {at})                       | 1 s
{named}            | 450                 | deferred  | 450 4.3.0 later (in reply to {at})                         | 5 min
{named}            | 550                 | failed    | 550 5.3.0 never (in reply to {at})                         |
{named}            | 550, status of yes  | failed    | 550 5.0.0 never (in reply to {at})                         |
mail rcpt          | yes, wrong status   | delivered |                                                            |
mail rcpt          | yes, octet by octet | delivered |                                                            |
mail rcpt          | 554 relaying        | deferred  | 451 4.7.1 554 Relay access denied (in reply to {at})       | 5 min
mail rcpt          | 535                 | alarm     | 535 5.7.8 wrong password (in reply to {at})                | 1 min
rcpt               | 552                 | deferred  | 452 4.0.0 too many recipients (in reply to RCPT)           | 5 min

# While the content goes out.
body               | closes              | deferred  | 451 4.4.2 connection * (at content)                        | 5 min
body               | resets              | deferred  | 451 4.4.2 connection * (at content)                        | 5 min
body               | hangs               | deferred  | 451 4.4.2 timed out after {limit} s (at content)           | 5 min
body               | garbage             | deferred  | 451 4.5.0 not a reply: 'hello there' (at content)          | 5 min
body               | a line of 10 MB     | deferred  | 451 4.5.0 reply line without end (at content)              | 5 min
body               | lines without end   | deferred  | 451 4.5.0 reply of more than 100 lines (at content)        | 5 min
body               | yes, wrong status   | deferred  | 451 4.5.0 unasked reply 250 (at content)                   | 5 min
body               | 421                 | waits     | 421 4.3.2 closing (in reply to content)                    | 1 s
body               | 450                 | deferred  | 450 4.3.0 later (in reply to content)                      | 5 min
body               | 550                 | failed    | 550 5.3.0 never (in reply to content)                      |

# After the final dot silence is doubt, whether the message was taken or not.
dot {kept}         | closes              | in_doubt  | 451 4.4.2 connection closed by the server (at final dot)   | 5 min
dot {kept}         | resets              | in_doubt  | 451 4.4.2 connection broken: Connection reset by peer (at final dot) | 5 min
dot {kept}         | hangs               | in_doubt  | 451 4.4.2 timed out after {limit} s (at final dot)         | 5 min
dot {kept}         | half a reply        | in_doubt  | 451 4.4.2 timed out after {limit} s (at final dot)         | 5 min
dot {kept}         | drips               | in_doubt  | 451 4.4.2 timed out after {limit} s (at final dot)         | 5 min
dot {kept}         | a line of 10 MB     | in_doubt  | 451 4.5.0 reply line without end (at final dot)            | 5 min
dot {kept}         | lines without end   | in_doubt  | 451 4.5.0 reply of more than 100 lines (at final dot)      | 5 min
dot {kept}         | garbage             | in_doubt  | 451 4.5.0 not a reply: 'hello there' (at final dot)        | 5 min
dot {kept}         | binary              | in_doubt  | 451 4.5.0 not a reply: '\xff\xfe\x00\x80' (at final dot)   | 5 min
dot {kept}         | an empty line       | in_doubt  | 451 4.5.0 not a reply: '' (at final dot)                   | 5 min
dot {kept}         | code 199            | in_doubt  | 451 4.5.0 not a reply: '199 go' (at final dot)             | 5 min
dot {kept}         | code 999            | in_doubt  | 451 4.5.0 not a reply: '999 go' (at final dot)             | 5 min
dot {kept}         | 250_ok              | in_doubt  | 451 4.5.0 not a reply: '250_ok' (at final dot)             | 5 min
dot {kept}         | yes and no          | in_doubt  | 451 4.5.0 reply with contradicting codes (at final dot)    | 5 min
dot {kept}         | 350                 | in_doubt  | 451 4.5.0 unexpected reply 350 (at final dot)              | 5 min
dot                | 421                 | deferred  | 421 4.3.2 closing (in reply to final dot)                  | 5 min
dot                | 450                 | deferred  | 450 4.3.0 later (in reply to final dot)                    | 5 min
dot                | 550                 | failed    | 550 5.3.0 never (in reply to final dot)                    |
dot                | 550, status of yes  | failed    | 550 5.0.0 never (in reply to final dot)                    |
dot kept           | yes, wrong status   | delivered |                                                            |
dot kept           | yes, octet by octet | delivered |                                                            |
dot kept           | yes, and a no       | delivered |                                                            |

# On a connection kept from another message: what breaks is begun anew at once.  QUIT ends nothing.
rset quit          | closes              | delivered |                                                            |
rset quit          | resets              | delivered |                                                            |
rset quit          | hangs               | delivered |                                                            |
rset quit          | half a reply        | delivered |                                                            |
rset quit          | drips               | delivered |                                                            |
rset quit          | a line of 10 MB     | delivered |                                                            |
rset quit          | lines without end   | delivered |                                                            |
rset quit          | garbage             | delivered |                                                            |
rset quit          | two replies         | delivered |                                                            |
rset quit          | 421                 | delivered |                                                            |
rset quit          | 450                 | delivered |                                                            |
rset quit          | 550                 | delivered |                                                            |
"""  # noqa: E501 (a table is read by columns)

GROUPS = {
    "{before}": "banner ehlo helo starttls auth",
    "{greeted}": "banner ehlo helo starttls",
    "{named}": "mail rcpt data",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One promise; ``kept`` if the server takes the message before it acts."""

    stage: str
    action: str
    becomes: str
    reply: str
    after: str
    kept: bool = False
    pipelining: bool

    def __str__(self) -> str:
        """Name the test."""
        kept = " kept" if self.kept else ""
        way = "pipelined" if self.pipelining else "stepwise"
        return f"{self.stage}{kept}: {self.action}, {way}"


def rows() -> list[Row]:
    """Read the table: a row for each stage, with PIPELINING and without."""
    found: list[Row] = []
    for line in TABLE.splitlines():
        if not line or line.startswith("#"):
            continue
        where, action, becomes, reply, after = map(str.strip, line.split("|"))
        for (stage, kept), pipelining in product(_stages(where), (True, False)):
            found.append(
                Row(
                    stage=stage,
                    action=action,
                    becomes=becomes,
                    reply=reply,
                    after=after,
                    kept=kept,
                    pipelining=pipelining,
                )
            )
    return found


def _stages(where: str) -> list[tuple[str, bool]]:
    if where == "dot {kept}":
        return [("dot", False), ("dot", True)]
    if where == "dot kept":
        return [("dot", True)]
    return [(stage, False) for stage in GROUPS.get(where, where).split()]
