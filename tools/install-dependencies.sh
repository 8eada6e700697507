#!/bin/sh
# Installs the Debian packages that the project needs and that are not there yet.
#
#   tools/install-dependencies.sh build [test]
#
# Quick when nothing is missing: one dpkg query, no apt. Uses sudo only when not root.
set -eu

build="g++ cmake ninja-build pkg-config libfmt-dev nlohmann-json3-dev libsimdjson-dev libpcre2-dev libutf8proc-dev
       libcli11-dev libreadline-dev libcurl4-openssl-dev libssl-dev"
test="libgtest-dev librapidcheck-dev libbenchmark-dev zlib1g-dev git clang libclang-rt-dev clang-format clang-tidy
      g++-aarch64-linux-gnu qemu-user python3"

packages=
for group in "$@"; do
  case $group in
    build) packages="$packages $build" ;;
    test) packages="$packages $test" ;;
    *) echo "install-dependencies: unknown group '$group' (there are: build, test)" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
  echo "install-dependencies: this is not a Debian system (no dpkg or apt-get). Install what these packages hold by" >&2
  echo "other means and call cmake directly (CONTRIBUTING.md):$(echo "$packages" | tr -s ' \n' ' ')" >&2
  exit 1
fi

# shellcheck disable=SC2086 — the lists are split on purpose
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $packages 2>/dev/null | sed -n 's/^installed //p' || true)
missing=
for package in $packages; do
  case "
$installed
" in
    *"
$package
"*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "install-dependencies: these packages are missing, and this is neither root nor is there sudo. As root, type:" >&2
    echo "  apt-get install$missing" >&2
    exit 1
  fi
  as_root="sudo"
fi
echo "Installing with apt:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
