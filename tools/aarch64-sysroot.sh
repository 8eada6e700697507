#!/bin/sh
# Unpacks the arm64 builds of the libraries into a folder, for the preset "aarch64".
#
#   tools/aarch64-sysroot.sh FOLDER
#
# Debian's multi-arch cannot do it: libsimdjson-dev of two architectures exclude each other, so that installing the
# arm64 one would remove the native one. Therefore apt works here on private lists beside the folder: no root, and
# nothing of the system changes.
set -eu

folder=$1
packages="libfmt-dev libfmt9 libsimdjson-dev libsimdjson14 libpcre2-dev libpcre2-8-0 libutf8proc-dev libutf8proc2
          nlohmann-json3-dev libcli11-dev libreadline-dev libreadline8 libtinfo6 libgtest-dev librapidcheck-dev
          zlib1g-dev zlib1g"
stamp="$folder/.packages"
[ "$(cat "$stamp" 2>/dev/null)" != "$packages" ] || exit 0

rm -rf "$folder" "$folder.apt"
mkdir -p "$folder" "$folder.apt/lists/partial" "$folder.apt/archives/partial" "$folder.apt/debs"
: > "$folder.apt/status"
config="$(cd "$folder.apt" && pwd)"
cat > "$config/apt.conf" <<EOF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::State "$config";
Dir::State::status "$config/status";
Dir::Cache "$config";
EOF
export APT_CONFIG="$config/apt.conf"
echo "Fetching the arm64 libraries for the cross build"
apt-get update -q
# shellcheck disable=SC2086 — the list is split on purpose
(cd "$config/debs" && apt-get download -q $packages)
for deb in "$config"/debs/*.deb; do dpkg-deb -x "$deb" "$folder"; done
rm -rf "$config"
echo "$packages" > "$stamp"
