# SPDX-License-Identifier: Apache-2.0
"""A small Debian 12 as a tar file, made once and kept outside the checkout.

It holds what the tests run (systemd, Python, tools).  What the packages under
test depend on lies in a small repository inside: installing it stays apt's
work, and needs no network.  Run as a program, it prints where the tar file is.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

RELEASE = "bookworm"
INSTALLED = (
    "dbus",
    "iproute2",
    "man-db",
    "openssl",
    "procps",
    "python3",
    "strace",
    "systemd",
    "systemd-sysv",
)
# Waiting in a repository on the machine's own disk, for "apt install".
DOWNLOADED = (
    "adduser",
    "autopkgtest",
    "libsasl2-modules",
    "postfix",
    "python3-daemon",
    "python3-dkim",
    "python3-dnspython",
    "python3-nacl",
    "python3-pyinotify",
    "python3-sdnotify",
    "python3-systemd",
    "sasl2-bin",
)
# They conflict with one of those, and are fetched for themselves.
DOWNLOADED_APART = ("exim4-daemon-light",)
USERS = ("alice", "bob", "carol")
TOOLS: Mapping[str, str] = {  # program: the Debian package that has it
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "systemd-nspawn": "systemd-container",
}
# What the machine needs no copy of; our own packages come in whole.
_EXCLUDED = ("doc/*", "locale/*", "man/*")
_SHELF = "/srv/packages"
_DOWNLOAD = "chroot $1 apt-get install -qqy --no-install-recommends --download-only"
_INDEX = """cd $1/srv/packages && for deb in *.deb; do
    dpkg-deb -f $deb
    echo "Filename: ./$deb"
    echo "Size: $(stat -c %s $deb)"
    echo "SHA256: $(sha256sum $deb | cut -d' ' -f1)"
    echo
done > Packages"""
_MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "e2scrub_all.timer",
    "getty.target",
    "man-db.timer",
    "systemd-networkd.service",
    "systemd-resolved.service",
)
_HOOKS = (
    *(f"chroot $1 useradd -ms /bin/sh {user}" for user in USERS),
    "chroot $1 apt-get clean",
    *(f"{_DOWNLOAD} {some}" for some in (" ".join(DOWNLOADED), *DOWNLOADED_APART)),
    f"mkdir $1{_SHELF} && mv $1/var/cache/apt/archives/*.deb $1{_SHELF}",
    _INDEX,
    "rm -rf $1/var/lib/apt/lists/* $1/etc/apt/sources.list.d/*",
    f"echo 'deb [trusted=yes] file:{_SHELF} ./' > $1/etc/apt/sources.list",
    # The host's proxies and the exclusions end with the making.
    "rm -f $1/etc/apt/apt.conf.d/99mmdebstrap $1/etc/dpkg/dpkg.cfg.d/*",
    "chroot $1 apt-get update -qq",
    # No terminals, no network of its own: nothing to wait for.
    "chroot $1 systemctl mask -q " + " ".join(_MASKED),
)
_KEPT_OPTIONS = ("acquire::http", "acquire::https", "acquire::check-")


def cache_folder() -> Path:
    """Return where things are kept that are costly to make."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "maildropd"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def provide_tools() -> None:
    """Install what the host lacks for making and booting roots."""
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-qqy", "--no-install-recommends"]
        for command in (["apt-get", "update", "-qq"], [*install, *missing]):
            subprocess.run(command, check=True, env=environment, stdout=sys.stderr)


def root_tar(*more: str) -> Path:
    """Return the tar file of the root, perhaps with more packages; make it if need be.

    Those come from Debian, over the network: unlike ``root_with``, any will do.
    """
    provide_tools()
    packages = (*INSTALLED, *more)
    recipe = repr((RELEASE, packages, DOWNLOADED, _HOOKS, _EXCLUDED))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    tar = cache_folder() / f"root-{RELEASE}-{key}.tar"
    with _locked(cache_folder() / "root.lock"):
        if not tar.exists():
            _make(tar, packages, _HOOKS)
    return tar


def minimal_with(*packages: str) -> Path:
    """Return the tar file of a root that holds only some packages of Debian's."""
    provide_tools()
    recipe = repr((RELEASE, packages, _EXCLUDED))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    tar = cache_folder() / f"minimal-{RELEASE}-{key}.tar"
    with _locked(cache_folder() / "minimal.lock"):
        if not tar.exists():
            _make(tar, packages, ("rm -rf $1/var/lib/apt/lists/*",))
    return tar


def root_with(*packages: str) -> Path:
    """Return the tar file of a root in which some of ``DOWNLOADED`` are installed."""
    bare = root_tar()
    key = hashlib.sha256(repr(packages).encode()).hexdigest()[:8]
    tar = bare.with_name(f"{bare.stem}-{key}.tar")
    with _locked(cache_folder() / "root.lock"):
        if not tar.exists():
            with tempfile.TemporaryDirectory(prefix="maildropd-root-") as folder:
                tree = Path(folder, "tree")
                unpack(bare, tree)
                install = ["apt-get", "install", "-qqy", "--no-install-recommends"]
                subprocess.run(
                    ["chroot", tree, *install, *packages],
                    check=True,
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                    stdout=sys.stderr,
                )
                new = tar.with_suffix(".new")
                subprocess.run(["tar", "-C", tree, "-cf", new, "."], check=True)
            new.rename(tar)
    return tar


def unpack(tar: Path, tree: Path) -> None:
    """Make a directory tree of a tar file, as its owner would have it."""
    tree.mkdir(parents=True)
    subprocess.run(
        ["tar", "-C", tree, "--numeric-owner", "--xattrs", "-xpf", tar], check=True
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(tar: Path, included: Sequence[str], hooks: Sequence[str]) -> None:
    sys.stderr.write(f"making {tar}, a minute or two\n")
    with tempfile.TemporaryDirectory(prefix="maildropd-root-") as folder:
        sources = Path(folder, "sources.list")
        lines = _sources()
        sources.write_text("".join(f"{line}\n" for line in lines))
        new = tar.with_suffix(".new")
        command: list[str | Path] = [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--format=tar",  # it would read the format from the suffix
            "--skip=cleanup/apt/lists",
            f"--include={','.join(included)}",
            *(f"--aptopt={option}" for option in _host_options()),
            *(f"--dpkgopt=path-exclude=/usr/share/{what}" for what in _EXCLUDED),
            *(f"--customize-hook={hook}" for hook in hooks),
            RELEASE,
            new,
            *([sources] if lines else []),
        ]
        subprocess.run(command, check=True, stdout=sys.stderr)
    new.rename(tar)


def _sources() -> Sequence[str]:
    """Return Debian's sources as the host reaches them; mmdebstrap knows the rest."""
    if not (found := _host_sources()):
        # A host whose lists were removed does not know what its sources are.
        subprocess.run(["apt-get", "update", "-qq"], check=False, stdout=sys.stderr)
        found = _host_sources()
    return sorted(found)


def _host_sources() -> set[str]:
    listing = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(ORIGIN)\t$(CODENAME)\t$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)",
            "Identifier: Packages",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = set()
    for line in listing.splitlines():
        origin, codename, uri, release, component = line.split("\t")
        if origin == "Debian" and codename.split("-")[0] == RELEASE:
            found.add(f"deb {uri} {release} {component}")
    return found


def _host_options() -> Iterator[str]:
    """Yield the host's proxies and the like, which mmdebstrap does not read."""
    dump = subprocess.run(
        ["apt-config", "dump"], check=True, capture_output=True, text=True
    ).stdout
    for line in dump.splitlines():
        words = shlex.split(line.rstrip(";"))
        if line.lower().startswith(_KEPT_OPTIONS) and words[1:] and words[1]:
            yield line


if __name__ == "__main__":
    sys.stdout.write(f"{root_tar()}\n")
