# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What scripts/test and scripts/soak need on a machine: packages of Debian, and
# a virtual environment.  To be sourced, in the checkout's folder.

BASE=(python3 python3-venv python3-systemd python3-sdnotify python3-pyinotify
    python3-daemon python3-dnspython python3-dkim python3-nacl ca-certificates
    man-db mandoc openssl systemd python3-aiosmtpd)
CLIENTS=(gcc libc6-dev strace) # sendmail's twin in C, and its system calls
SERVERS=(dovecot-submissiond gsasl opendkim python3-wheel) # what must understand us
FAULTS=(e2fsprogs faketime gcc iproute2 libc6-dev strace xfsprogs)

cache=${XDG_CACHE_HOME:-$HOME/.cache}/maildropd

# Debian's own Python and tools: a pyenv in front of them has other libraries.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1

# Make the environment of this project's tools; leave its interpreter in $python.
own_venv() {
    mapfile -t tools < <(grep -E '^[a-z]' requirements-dev.txt)
    make_venv python3 --system-site-packages "${tools[@]}" || {
        echo "$0: no virtual environment; using what is installed"
        python=/usr/bin/python3
    }
}

install_packages() {
    local missing log
    missing=$(comm -23 <(printf '%s\n' "$@" | sort) <(dpkg-query -W \
        -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p' | sort))
    [[ $missing ]] || return 0
    if ((EUID)) || ! command -v apt-get >/dev/null; then
        echo "missing packages: apt install" $missing
        return 1
    fi
    echo "installing" $missing
    log=$(mktemp)
    apt-get -qq update &&
        apt-get -qq install --no-install-recommends $missing >"$log" 2>&1 ||
        tail -n 20 "$log"
    rm -f "$log"
}

# Make the environment for one Python, once; leave its interpreter in $python.
make_venv() {
    local interpreter=$1 options=$2 key
    shift 2
    key=$("$interpreter" -VV 2>/dev/null | cat - <(printf '%s\n' "$options" "$@") |
        sha256sum | cut -c 1-12)
    local venv=$cache/venv-$key
    python=$venv/bin/python
    mkdir -p "$cache"
    (
        flock 9
        [[ -e $venv/complete ]] && exit 0
        echo "making $venv"
        rm -rf "$venv"
        "$interpreter" -m venv $options "$venv" &&
            "$python" -m pip install --quiet "$@" && touch "$venv/complete"
    ) 9>"$cache/lock"
}
