# Adds up ctest's JUnit reports. The first file lists stages that failed before or beside their tests, one a line.
# A skip is what a test itself asked for; any other test that did not run counts as failed.
function attribute(name,   value) {
  if (!match($0, " " name "=\"[^\"]*\"")) return ""
  value = substr($0, RSTART, RLENGTH)
  sub(/^[^"]*"/, "", value); sub(/"$/, "", value)
  gsub(/&lt;/, "<", value); gsub(/&gt;/, ">", value); gsub(/&quot;/, "\"", value); gsub(/&amp;/, "\\&", value)
  return value
}
function finish() {
  if (test == "") return
  if (status == "run") passed++
  else if (status == "disabled" || asked) {
    skipped++
    print "skipped: " test " (" (reason != "" ? reason : asked ? "no reason given" : "disabled") ")"
  } else {
    failed++
    print "FAILED: " test
  }
  test = ""
}
FNR == 1 { stage = FILENAME; sub(/^.*\//, "", stage); sub(/\.xml$/, "", stage); files++ }
files == 1 && stage == "failed-stages" { failed++; print "FAILED: " $0; next }
/<testcase / { finish(); test = stage ": " attribute("name"); status = attribute("status"); asked = 0; reason = ""; takes_reason = 0 }
takes_reason { if (reason == "") { reason = $0; sub(/<\/system-out>.*/, "", reason) } takes_reason = 0 }
/: Skipped$/ { takes_reason = 1 }
/<skipped message="SKIP_/ { asked = 1 }
END {
  finish()
  printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
  exit failed > 0 || passed == 0
}
