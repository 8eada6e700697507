#!/bin/sh
# Unpacks the libraries for cross-building to 64-bit ARM into a folder: tools/aarch64_sysroot.sh build/aarch64-sysroot
#
# Unpacked rather than installed, because some of Debian's -dev packages cannot be installed for two processors at
# once. Needs once, as root: dpkg --add-architecture arm64 && apt-get update &&
# apt-get install g++-aarch64-linux-gnu qemu-user
set -eu
folder=${1:?the folder to unpack into}
mkdir -p "$folder/packages"
cd "$folder/packages"
apt-get download \
  libbenchmark-dev:arm64 libbenchmark1debian:arm64 libcli11-dev libfmt-dev:arm64 libfmt9:arm64 libgtest-dev:arm64 \
  libpcre2-8-0:arm64 libpcre2-dev:arm64 libpcre2-posix3:arm64 libpcre2-16-0:arm64 libpcre2-32-0:arm64 \
  libreadline-dev:arm64 libreadline8:arm64 librapidcheck-dev:arm64 libsimdjson-dev:arm64 libsimdjson14:arm64 \
  libtinfo6:arm64 nlohmann-json3-dev
for package in ./*.deb; do dpkg -x "$package" ..; done
