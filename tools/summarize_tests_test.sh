#!/bin/sh
# Shows that tools/summarize_tests.awk counts each way in which a test can end.
set -eu
tools=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > release.xml <<'EOF'
<testsuite name="x" tests="5" failures="1" disabled="1" skipped="2">
	<testcase name="good: &lt;1&gt;" classname="good" time="0.1" status="run">
		<system-out>a line with &lt;testcase status=&quot;fail&quot;</system-out>
	</testcase>
	<testcase name="bad" classname="bad" time="0.1" status="fail">
		<failure message=""/>
	</testcase>
	<testcase name="not built" classname="x" time="0" status="notrun">
		<skipped message="Unable to find executable: x"/>
	</testcase>
	<testcase name="needs a key" classname="x" time="0" status="notrun">
		<skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
		<system-out>/src/x_test.cpp:5: Skipped
no AVX-512 here
</system-out>
	</testcase>
	<testcase name="off" classname="x" time="0" status="disabled">
		<disabled message="disabled"/>
	</testcase>
</testsuite>
EOF
: > failed-stages
expect() {  # expect STATUS LAST-LINE FILES...
  want=$1 line=$2; shift 2
  got=0
  awk -f "$tools/summarize_tests.awk" "$@" > out || got=$?
  [ "$got" -eq "$want" ] && [ "$(tail -n 1 out)" = "$line" ] || { echo "expected $want '$line', got $got:"; cat out; exit 1; }
}
expect 1 "1 passed, 2 failed, 2 skipped" failed-stages release.xml
grep -q '^skipped: release: needs a key (no AVX-512 here)$' out
grep -q '^FAILED: release: not built$' out
echo "asan: build" > failed-stages
expect 1 "1 passed, 3 failed, 2 skipped" failed-stages release.xml
: > failed-stages
sed -n '1,4p' release.xml > asan.xml
expect 0 "1 passed, 0 failed, 0 skipped" failed-stages asan.xml
expect 1 "0 passed, 0 failed, 0 skipped" failed-stages
