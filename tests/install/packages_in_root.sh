#!/usr/bin/env bash
# packages_in_root.sh PACKAGES CACHE: installs the Debian packages in a clean Debian 12 root by apt, with what they depend on
# and a compiler, builds and runs programs there, purges them, and compares the files with those before.
#
# As root. The root is made with debootstrap from the mirror that apt of this system is configured for, and kept as tarballs
# in CACHE; delete them to have it made anew. All of it happens in a mount and a process namespace of its own: nothing stays
# mounted and no process stays, however this ends.
set -euo pipefail
if [[ ${1:-} != --inside ]]; then
  (($# == 2)) || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
  (($(id -u) == 0)) || { echo "packages_in_root: needs root, for debootstrap and chroot" >&2; exit 1; }
  exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private "$0" --inside "$@"
fi
packages="$(cd "$2" && pwd)"
mkdir -p "$3"
cache="$(cd "$3" && pwd)"
here="$(cd "$(dirname "$0")" && pwd)"
source="$(cd "$here/../.." && pwd)"
suite=bookworm
root="$cache/root"

fail() {
  printf 'packages_in_root: %s\n' "$@" >&2
  exit 1
}
trap 'status=$?; umount -R "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root"; exit $status' EXIT

# run COMMAND...: in the root, as root, with a plain environment.
run() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }
# quietly COMMAND...: what it prints is shown if it fails.
quietly() { "$@" >"$cache/log" 2>&1 || { tail -n 30 "$cache/log" >&2; fail "failed: $*"; }; }
unpack() {
  umount -R "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$root"
  mkdir "$root"
  tar -C "$root" -xf "$1"
  mount -t proc proc "$root/proc"
}
# pack TARBALL: whole, or not there.
pack() {
  umount -R "$root/proc"
  tar -C "$root" -cf "$1.part" .
  mv "$1.part" "$1"
}
# The places from which apt of this system has Debian's suite: SITE RELEASE.
places() {
  apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    awk -v suite="$suite" '$2 ~ "^" suite && $3 == "main" { print $1, $2 }' | sort -u
}

# --- the roots
if [[ ! -e $cache/clean.tar ]]; then
  mirror="$(places | awk -v suite="$suite" '$2 == suite { print $1; exit }')"
  [[ -n $mirror ]] || fail "apt of this system knows no mirror of Debian $suite, main"
  echo "making a clean root from apt's mirror"
  rm -rf --one-file-system "$root"
  quietly debootstrap --variant=minbase "$suite" "$root" "$mirror"
  places | sed 's/\(.*\) \(.*\)/deb \1 \2 main/' >"$root/etc/apt/sources.list"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
  quietly run apt-get update
  quietly run apt-get -y upgrade
  quietly run apt-get clean
  pack "$cache/clean.tar"
fi
if [[ ! -e $cache/compilers.tar ]]; then
  unpack "$cache/clean.tar"
  quietly run apt-get -y --no-install-recommends install g++ cmake ninja-build pkg-config python3 systemd-standalone-tmpfiles
  quietly run apt-get clean
  pack "$cache/compilers.tar"
fi

# The packages as a repository, in the root for as long as they are needed.
offer() {
  mkdir "$root/srv/baton"
  cp "$packages"/*.deb "$root/srv/baton/"
  (cd "$root/srv/baton" && dpkg-scanpackages --multiversion . >Packages 2>/dev/null)
  echo "deb [trusted=yes] file:/srv/baton ./" >"$root/etc/apt/sources.list.d/baton.list"
  quietly run apt-get update
}
# Every file with owner, mode, and where it is a link its end; without what apt, dpkg and the linker keep for themselves.
files() {
  (cd "$root" && find . -xdev \( -path ./proc -o -path ./srv/baton -o -path ./var/lib/apt -o -path ./var/cache/apt \
    -o -path ./var/log -o -path ./var/lib/dpkg \) -prune -o -printf '%p %M %u:%g %l\n' |
    grep -vE '^\./(etc/ld\.so\.cache|var/cache/ldconfig/aux-cache|etc/apt/sources\.list\.d/baton\.list|tmp|root) ' | sort)
}
# compare WHAT: with the files before, as far as no other package has come with these.
compare() {
  files >"$cache/after"
  diff "$cache/before" "$cache/after" >"$cache/difference" || { cat "$cache/difference" >&2; fail "$1: files have come, gone or changed"; }
  echo "ok: $1: no file came, went or changed"
}
ours=(libbaton0 libbaton-common libbaton-dev baton-tools python3-baton)
version="$(sed -n 's/^project(baton VERSION \([0-9.]*\) .*/\1/p' "$source/CMakeLists.txt")"
prints_version() {
  local printed
  printed="$(run "$@")" || fail "failed: $*"
  [[ $printed == *"$version"* ]] || fail "$* printed \"$printed\", not $version"
}

# --- one package after the other, with what it depends on and nothing else
for package in libbaton0 baton-tools; do
  unpack "$cache/clean.tar"
  offer
  files >"$cache/before"
  quietly run apt-get -y --no-install-recommends install "$package"
  case $package in
    libbaton0) [[ -e $root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)/libbaton.so.0 ]] || fail "libbaton0 has no library" ;;
    baton-tools) prints_version baton --version ;;
  esac
  echo "ok: $package in a minimal root"
  quietly run apt-get -y --purge autoremove "$package"
  compare "$package purged"
done

# --- all of them, and programs
unpack "$cache/compilers.tar"
offer
files >"$cache/before"
quietly run apt-get -y --no-install-recommends install "${ours[@]}"
quietly run dpkg --verify
[[ ! -s $cache/log ]] || fail "dpkg --verify: $(cat "$cache/log")"
for folder in '' /tsap /wake /status; do
  [[ $(stat -c '%a %u %g %F' "$root/run/baton$folder") == '1777 0 0 directory' ]] || fail "/run/baton$folder is not there with mode 1777, of root"
done
echo "ok: all packages installed, /run/baton made"
files >"$cache/installed"
# Files that belong to no package: only what the packages' scripts make, byte code and /run/baton.
comm -13 "$cache/before" "$cache/installed" | awk '{ print substr($1, 2) }' | grep -vE '^/run/baton|/__pycache__(/|$)' |
  while read -r file; do run dpkg -S "$file" >/dev/null 2>&1 || fail "$file belongs to no package"; done
mkdir "$root/srv/tests"
cp -r "$here"/{outside,outside_programs.sh,dispatched.sh,readme_programs.sh,readme_listener.c,seed_server.c} "$root/srv/tests/"
mkdir "$root/srv/tests/readme"
"$here/readme_programs.py" "$root/srv/tests/readme"
run CC=gcc CXX=g++ BATON_PREINSTALLED=1 /srv/tests/outside_programs.sh /usr "$version"
run CC=gcc CXX=g++ /srv/tests/readme_programs.sh /srv/tests/readme
run /srv/tests/dispatched.sh
prints_version baton --version
quietly run python3 -c 'import baton'
rm -rf "$root/srv/tests"

# --- again, over itself; then away
quietly run apt-get -y --no-install-recommends --reinstall install "${ours[@]}"
files | diff "$cache/installed" - >"$cache/difference" || { cat "$cache/difference" >&2; fail "installing again changed files"; }
echo "ok: installed again"
quietly run apt-get -y --purge autoremove "${ours[@]}"  # and what came with them
left="$(run dpkg-query -W -f='${Package} ${Status}\n' '*baton*' 2>/dev/null | grep -v not-installed || true)"
[[ -z $left ]] || fail "still known to dpkg: $left"
compare "all packages purged"
