#!/bin/sh
# Checks every #include of src/ and include/ against docs/rooms.txt.
#
#   tools/check_rooms.sh [ROOT]
#
# Prints one line for each include that breaks a rule; exit status 1 when there was one.
set -eu
root=${1:-$(dirname "$0")/..}
cd "$root"
find src include/bitnet -name '*.h' -o -name '*.cpp' | LC_ALL=C sort | xargs awk '
function broken(why) { print FILENAME ":" FNR ": " why; errors = 1 }
# The innermost room that a path below src/ lies in; "" when there is none.
function room_of(path) {
  while (sub(/\/[^\/]*$/, "", path)) if (path in level) return path
  return ""
}
function check_public(name, own_level, own_name) {
  if (!(name in header)) broken("bitnet/" name " is not listed in docs/rooms.txt")
  else if (header[name] > own_level) broken(own_name " (level " own_level ") includes bitnet/" name ", which is for level " header[name] " and above")
}
FILENAME == "docs/rooms.txt" {
  if ($1 == "room") level[$2] = $3 + 0
  else if ($1 == "header") header[$2] = $3 + 0
  else if ($1 == "isa") isa[$2] = 1
  else if (NF && $1 !~ /^#/) broken("neither room, header nor isa: " $0)
  next
}
FNR == 1 {
  checked++
  is_public = FILENAME ~ /^include\//
  is_test = FILENAME ~ /_test\.(cpp|h)$/
  path = FILENAME; sub(/^(src|include\/bitnet)\//, "", path)
  own = is_public ? "" : room_of(path)
  if (is_public && !(path in header)) broken("this public header is not listed in docs/rooms.txt")
  if (!is_public && path ~ /\// && own == "") broken("this folder is not listed in docs/rooms.txt")
}
!/^[ \t]*#[ \t]*include/ { next }
{
  target = $0; sub(/^[^<"]*[<"]/, "", target); sub(/[>"].*/, "", target)
  angle = $0 ~ /^[^"]*</
  is_std = angle && target ~ /^[a-z_0-9]+$/
  if (is_public) {
    if (target ~ /^bitnet\//) check_public(substr(target, 8), header[path] + 0, "bitnet/" path)
    else if (!is_std) broken("a public header includes " target ", which is neither the standard library nor a public header")
    next
  }
  if (own == "") next
  if ((own in isa) && !is_test) {
    if (!angle && target !~ /^(kernels|pack)\// && target != "base/cpu_features.h") broken("code for an instruction set includes " target)
    if (target ~ /^(vector|string|string_view|algorithm|numeric|memory|functional|map|set|unordered_map|unordered_set|deque|list|optional|variant|span|ranges|iostream|sstream|fstream|format|thread|mutex|atomic|fmt\/.*)$/) broken("code for an instruction set includes <" target ">, whose inline functions are shared with the rest of the program")
    next
  }
  if (angle) next
  if (target ~ /^bitnet\//) { check_public(substr(target, 8), level[own], own); next }
  to = room_of(target)
  if (to == "") {
    if (!is_test) broken(target " lies in no room of docs/rooms.txt")
  } else if (to != own && !(level[to] < level[own]) && !(level[to] == level[own] && (is_test || index(to, own "/") == 1)))
    broken(own " (level " level[own] ") includes " target " of " to " (level " level[to] ")")
}
END {
  if (!checked) { print "check_rooms: found no source file"; exit 1 }
  exit errors
}' docs/rooms.txt
