#!/usr/bin/env bash
# `make package`: the Debian packages, in build/packages. What has been compiled stays in build/packages/tree, so that the
# next call compiles what has changed.
#
# The version is that of CMakeLists.txt. While CHANGELOG.md has no section for it, it is being worked on: then
# "~" and the time of the last commit follow it, and each package is newer than the one before and older than the release.
set -euo pipefail
cd "$(dirname "$0")/.."
source="$PWD" packages="$PWD/build/packages" tree="$PWD/build/packages/tree"

version="$(sed -n 's/^project(baton VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)"
[[ -n $version ]] || { echo "package: CMakeLists.txt does not say project(baton VERSION x.y.z ...)" >&2; exit 1; }
when="$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)"
grep -qF "## [$version]" CHANGELOG.md || version+="~$(date -u -d "@$when" +%Y%m%d%H%M%S)"
# Not made by Debian, and older than what Debian makes of the same sources.
version+="-0upstream1"

# What goes into them; a folder is newer when a file in it came or went.
inputs=(CMakeLists.txt CHANGELOG.md LICENSE README.md SECURITY.md cmake completion debian docs examples include python src tools/package.sh)
mkdir -p "$tree"
cd "$packages"
made() { echo "build/packages: $(echo *.deb)"; }
if [[ -e baton_${version}_$(dpkg --print-architecture).changes && -z $(cd "$source" && find "${inputs[@]}" -newer "$packages/made" -not -name __pycache__ -not -name "*.pyc" -print -quit) ]]; then
  made
  exit
fi
rm -f made
touch begun

# The tree: links to the folders of the sources, copies of the files, which packages take as they are, and a debian folder
# of its own, in which debhelper works.
find "$tree" -maxdepth 1 -type l -delete
for path in "$source"/*; do
  case "${path##*/}" in
    build | debian | node_modules) ;;
    *) if [[ -d $path ]]; then ln -s "$path" "$tree/${path##*/}"; else cp -p "$path" "$tree/"; fi ;;
  esac
done
rm -rf "$tree/debian"
cp -r "$source/debian" "$tree/debian"
cat >"$tree/debian/changelog" <<END
baton ($version) unstable; urgency=medium

  * What has changed: the file changelog.gz beside this one.

 -- $(sed -n 's/^Maintainer: //p' "$source/debian/control")  $(date -R -u -d "@$when")
END

log="$packages/build.log"
cd "$tree"
if ! DEB_BUILD_OPTIONS="parallel=${JOBS:-$(nproc)} ${DEB_BUILD_OPTIONS:-}" \
  dpkg-buildpackage --build=binary --no-pre-clean --unsigned-changes --unsigned-buildinfo >"$log" 2>&1; then
  tail -n 25 "$log" | cut -c 1-300 >&2
  echo "package: failed; all of it: $log" >&2
  exit 1
fi

# They are made beside the tree; the earlier ones go.
cd "$packages"
for file in *.deb *.changes *.buildinfo; do
  [[ $file == *"_${version}_"* ]] || rm -f "$file"
done
mv begun made
made
