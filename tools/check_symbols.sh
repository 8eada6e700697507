#!/bin/sh
# Proves that the library neither prints nor ends the process: no object of it refers to a function that does.
#
#   tools/check_symbols.sh ARCHIVE...
set -eu
forbidden='exit|_exit|_Exit|quick_exit|abort|__assert_fail|printf|__printf_chk|vprintf|__vprintf_chk|puts|putchar|perror'
forbidden="$forbidden|stdout|stderr|std::cout|std::cerr|std::clog|std::wcout|std::wcerr|fmt::v[0-9]+::vprint.*"
[ $# -gt 0 ] || { echo "check_symbols: no archive given" >&2; exit 2; }
status=0
for archive in "$@"; do
  symbols=$(nm --undefined-only --demangle --print-file-name "$archive") || { echo "$archive cannot be read"; exit 1; }
  found=$(echo "$symbols" | grep -E " U ($forbidden)(@.*)?$" || true)
  [ -z "$found" ] || { echo "$found"; status=1; }
done
exit $status
