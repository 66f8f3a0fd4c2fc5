#!/usr/bin/env bash
# Fetches a Rust that can build for wasm32-unknown-unknown, from the Debian packages of
# this machine's own package sources, and unpacks it into one private folder.
#
#   bash guest/build/debian-toolchain.sh FOLDER
#
# For machines where `rustup target add wasm32-unknown-unknown` is impossible. Nothing is
# installed and nothing outside FOLDER is changed, so it needs no root: the package lists
# are private too. Debian 12 carries a recent Rust as rustc-web, cargo-web and
# rust-web-src (the source of the standard library); other releases may not.
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 2
fi
folder=$1
if [ -e "$folder" ]; then
    echo "$folder exists already: remove it to fetch the toolchain again" >&2
    exit 1
fi
for tool in apt-get apt-cache dpkg; do
    if ! command -v "$tool" >/dev/null; then
        echo "no $tool here: run 'rustup target add wasm32-unknown-unknown' instead" >&2
        exit 1
    fi
done

mkdir -p "$(dirname "$folder")"
# Beside the result, so that the last step is a rename and a broken run leaves no
# half-filled folder under the final name.
work=$(mktemp -d "$folder.partial.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/packages" "$work/root"

# The sandbox user is off: as root, apt would switch to a user that cannot write here.
apt=(-q -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=)

echo "fetching the package lists"
# A source that cannot be reached need not be the one that has the packages.
apt-get "${apt[@]}" update >"$work/update.log" 2>&1 || cat "$work/update.log" >&2

# The newest linker: any lld reads the objects of an older or equal LLVM.
linker=$(apt-cache "${apt[@]}" pkgnames lld- | grep -E '^lld-[0-9]+$' | sort -V | tail -n 1 || true)
wanted=(cargo-web rustc-web rust-web-src "${linker:-lld}")

# What an installation would add here: the packages and those of their dependencies that
# this machine lacks. Their names hold versions, so they are asked for and not listed.
if ! apt-get "${apt[@]}" --simulate --no-install-recommends install "${wanted[@]}" \
    >"$work/plan" 2>"$work/plan.log"; then
    cat "$work/plan.log" >&2
    echo "no package source has ${wanted[*]}:" \
        "run 'rustup target add wasm32-unknown-unknown' instead" >&2
    exit 1
fi
mapfile -t packages < <(awk '$1 == "Inst" { print $2 }' "$work/plan")

echo "fetching ${#packages[@]} packages: ${packages[*]}"
(cd "$work/packages" && apt-get "${apt[@]}" download "${packages[@]}" >/dev/null)

echo "unpacking"
for package in "$work"/packages/*.deb; do
    dpkg -x "$package" "$work/root"
done

# Another run may have been faster; its folder is as good as this one.
mv -T "$work/root" "$folder" 2>/dev/null || [ -x "$folder/usr/bin/rustc" ]
echo "the toolchain is in $folder"
