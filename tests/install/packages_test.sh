#!/usr/bin/env bash
# packages_test.sh PACKAGES: the Debian packages of `make package`, looked at by lintian and from inside an empty folder into
# which they are unpacked: what is in them, and whether programs can be built with them. Environment: CC, CXX.
set -euo pipefail
packages="$(cd "$1" && pwd)"
here="$(cd "$(dirname "$0")" && pwd)"
source="$(cd "$here/../.." && pwd)"
export CC="${CC:-gcc}" CXX="${CXX:-g++}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
root="$work/root"
mkdir "$root" "$work/readme"

fail() {
  printf 'packages_test: %s\n' "$@" >&2
  exit 1
}

# --- one version, CMake's
version="$(sed -n 's/^project(baton VERSION \([0-9.]*\) .*/\1/p' "$source/CMakeLists.txt")"
for name in libbaton0 libbaton-common libbaton-dev baton-tools python3-baton libbaton0-dbgsym baton-tools-dbgsym; do
  found=("$packages/${name}"_*.deb)
  [[ ${#found[@]} == 1 && -e ${found[0]} ]] || fail "not one package $name in $packages"
  of="$(dpkg-deb -f "${found[0]}" Version)"
  [[ $of =~ ^"$version"(~[0-9]{14})?-0upstream1$ ]] || fail "$name has version $of, the sources have $version"
  [[ $name == *-dbgsym ]] || dpkg-deb -x "${found[0]}" "$root"
done
grep -qF "version = \"$version\"" "$source/python/pyproject.toml" || fail "python/pyproject.toml has another version than $version"
echo "ok: seven packages of version $of"

# --- Debian's own look
lintian --allow-root --fail-on error,warning "$packages"/*.changes || fail "lintian has found something"
echo "ok: lintian"

# --- nothing in them of the machine that built them, no link into nothing, no file twice
grep -rlF -e "$source" "$root" && fail "files name the folder in which they were built"
while read -r link; do
  [[ -e $link && $(readlink -f "$link") == "$root"/* ]] || fail "$link leads to $(readlink "$link"), which is in no package"
done < <(find "$root" -type l)
twice="$(for file in "$packages"/*.deb; do dpkg-deb -c "$file"; done | awk '$6 !~ /\/$/ { print $6 }' | sort | uniq -d)"
[[ -z $twice ]] || fail "in more than one package: $twice"
[[ -z $(find "$root" -perm /6000) ]] || fail "set-id files"
for folder in '' /tsap /wake /status; do
  grep -qE "^d /run/baton$folder +1777 root root" "$root/usr/lib/tmpfiles.d/baton.conf" || fail "tmpfiles.d does not make /run/baton$folder"
done
for page in "$source"/docs/man/*.[1-8]; do
  [[ -e $root/usr/share/man/man${page##*.}/${page##*/}.gz ]] || fail "no package has ${page##*/}"
done
for header in "$source"/include/baton/* "$source"/include/bs2000/*; do
  [[ -e $root/usr/include/${header#"$source/include/"} ]] || fail "no package has $header"
done
[[ $(PATH="$root/usr/bin:$PATH" baton --version) == *"$version"* ]] || fail "baton --version tells another version"
share="$root/usr/share"
for file in zsh/vendor-completions/_baton fish/vendor_completions.d/baton.fish doc/baton-tools/batond.schema.json; do
  [[ -e $share/$file ]] || fail "no package has $file"
done
# shellcheck disable=SC2016
completed="$(PATH="$root/usr/bin:$PATH" bash --norc -c 'source "$1"; COMP_WORDS=(baton dr) COMP_CWORD=1; _baton baton; echo "${COMPREPLY[*]}"' \
  bash "$share/bash-completion/completions/baton")"
[[ $completed == drain ]] || fail "bash completes baton dr to \"$completed\""
echo "ok: contents"

# --- programs
"$here/outside_programs.sh" "$root/usr" "$version"
triplet="$("$CC" -print-multiarch)"
export LD_LIBRARY_PATH="$root/usr/lib/$triplet" PKG_CONFIG_PATH="$root/usr/lib/$triplet/pkgconfig"
printed="$(PYTHONPATH="$root/usr/lib/python3/dist-packages" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c 'import baton; print(baton.__file__)')"
[[ $printed == "$root"/* ]] || fail "the module baton was loaded from $printed"
echo "ok: Python"
PATH="$root/usr/sbin:$root/usr/bin:$PATH" "$here/dispatched.sh"
"$here/readme_programs.py" "$work/readme" >/dev/null
"$here/readme_programs.sh" "$work/readme"
