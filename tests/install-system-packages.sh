#!/usr/bin/env bash
# Installs the programs that the tests drive (a browser, Prometheus, PostgreSQL) from Debian's archive, only where they are missing.
set -euo pipefail

missing=()
for program in chromium prometheus; do
    command -v "$program" >/dev/null || missing+=("$program")
done
[[ -n $(command -v postgres || compgen -G "/usr/lib/postgresql/*/bin/postgres") ]] || missing+=(postgresql) # Debian keeps it out of the path
((${#missing[@]})) || exit 0

unable() {
    printf 'The tests need %s, and %s.\nInstall them yourself and run the tests again.\n' "${missing[*]}" "$1" >&2
    exit 1
}

command -v apt-get >/dev/null || unable "this system has no apt-get"
as_root=()
if ((EUID != 0)); then
    command -v sudo >/dev/null || unable "you are not root and there is no sudo"
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf 'Installing %s with apt-get, once\n' "${missing[*]}"
"${as_root[@]}" apt-get update -qq >"$log" 2>&1 || { tail -n 20 "$log" >&2; unable "apt-get update failed"; }

install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; unable "apt-get install failed"; }
}

if [[ " ${missing[*]} " == *" postgresql "* ]]; then # the tests start servers of their own: Debian's main cluster is not wanted
    install postgresql-common
    "${as_root[@]}" sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
fi
install "${missing[@]}"
