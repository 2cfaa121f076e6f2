# Counts test cases over all runners. A runner that dies is a failure, and a run without a test is one too.
passed=0 failed=0 skipped=0

# Takes what .dev/tally.py printed, and what the runner left with; adds a failure when the runner failed and no case of it did.
count() {
  local status=$1 counts=$2 p f s
  read -r p f s <<<"$counts" || true
  if [[ ! "$p $f $s" =~ ^[0-9]+\ [0-9]+\ [0-9]+$ ]]; then
    p=0 f=1 s=0
  elif [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
    f=1
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# Says how long a step took. Takes its name and the value of SECONDS when it began.
took() {
  echo "-- $1: $((SECONDS - $2)) s"
}

# Builds a tree; a build that fails counts as one failed test. Takes the tree and ninja's targets.
build_to_test() {
  local status=0 began=$SECONDS
  compile "$@" || status=$?
  took "building $1" "$began"
  [ $status -eq 0 ] || count "$status" '0 1 0'
  return $status
}

# Takes a build tree and the options of `meson test`.
test_tree() {
  local tree=$1 status=0 began=$SECONDS
  shift
  rm -f "$tree"/meson-logs/dev*.json
  meson test -C "$tree" --no-rebuild --print-errorlogs --logbase dev "$@" || status=$?
  count "$status" "$("$python" .dev/tally.py meson "$tree"/meson-logs/dev*.json)"
  took "testing $tree" "$began"
}

# Ends a test command: the one plain last line, and 0 only when a test ran and none failed.
finish() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}
