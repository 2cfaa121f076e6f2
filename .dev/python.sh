# Interpreters, their virtual environments under build/venv, and martlet's wheel in them.

around=()

# Prints the path of an interpreter of a version such as 3.11 or 3.13t: the system's, else one built under the user's cache. Of
# 3.11d, a debug build, only the system's; 3.13t-tsan, under ThreadSanitizer, is always built.
interpreter() {
  local version=$1 number=${1%-tsan} name path built=$cache/python-$1
  [[ $version =~ ^3\.(1[1-9]|[2-9][0-9])(d|t?(-tsan)?)$ ]] || die_usage "'$version' is no Python version that martlet supports: give one such as 3.11 or 3.13t."
  for path in "/usr/bin/python$version" "$(type -P "python$version" || true)" "$built/bin/python$number"; do
    if is_python "$path" "$number"; then
      echo "$path"
      return
    fi
  done
  [[ $version != *d ]] || die "no python$version was found; install python${version%d}-dbg."
  command -v apt-get >/dev/null || die "no python$version was found, and only on Debian can it be built here; install it."
  name=$(.dev/build-python --packages)
  need $name
  mkdir -p "$cache"
  # Two at once: the second waits, then finds what the first has built.
  (
    flock 9
    is_python "$built/bin/python$number" "$number" && exit
    rm -rf "$built"
    run .dev/build-python "$version" "$built" >&2
  ) 9>"$cache/lock" || die "python$version could not be built."
  echo "$built/bin/python$number"
}

# True when the path is an interpreter of this very version, with its headers and able to make virtual environments.
is_python() {
  [ -n "$1" ] && "$1" - "$2" >/dev/null 2>&1 <<'PY'
import ensurepip, os, sys, sysconfig
found = "%d.%d" % sys.version_info[:2] + sys.abiflags
sys.exit(found != sys.argv[1] or not os.path.exists(sysconfig.get_path("include") + "/Python.h"))
PY
}

# The interpreters that the Python tests run on: the system's and the free-threaded one.
tested_pythons() {
  system_python
  interpreter 3.13t
}

# Takes an interpreter; makes its virtual environment, with what pyproject.toml asks for to build and to test; prints its path.
environment() {
  local python=$1 venv wants
  if [[ $python == "$cache"/python-* ]]; then
    venv=${python#"$cache"/python-}
    venv=build/venv/${venv%%/*}
  else
    venv=build/venv/$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2] + sys.abiflags)')
  fi
  if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    rm -rf "$venv"
    run "$python" -m venv "$venv" >&2 || die "no virtual environment could be made with $python."
  fi
  wants=$("$venv/bin/python" - <<'PY'
import tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
print("\n".join(project["build-system"]["requires"] + project["project"].get("optional-dependencies", {}).get("test", ["pytest"])))
PY
  ) || die "pyproject.toml could not be read."
  if [ "$(cat "$venv/wants" 2>/dev/null)" != "$wants" ]; then
    mapfile -t packages <<<"$wants"
    run "$venv/bin/python" -m pip install -q "${packages[@]}" >&2 </dev/null || die "pip could not install into $venv: ${packages[*]}."
    printf '%s\n' "$wants" >"$venv/wants"
  fi
  echo "$venv"
}

# Takes a virtual environment; builds and installs martlet there as a user's `pip install .` does, unless these very sources are in it.
install_wheel() {
  local venv=$1 tree=build/wheel/${1##*/} sources settings=()
  sources=$(find pyproject.toml meson.build meson_options.txt README.md base tasklet scheduler channel net loadtest interpreter_bindings \
    -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum)
  [ "$(cat "$venv/sources" 2>/dev/null)" != "$sources" ] || return 0
  rm -f "$venv/sources"
  # An old tree would not know a new option (meson's answer: Unknown option).
  [ ! meson_options.txt -nt "$tree/build.ninja" ] || rm -rf "$tree"
  [[ $venv != *-tsan ]] || settings=(--config-settings=setup-args="--native-file=$PWD/.ci/tsan.ini")
  # Debian's debug build has links for headers: g++ follows those of the system, and finds what the other build is made with.
  [[ $venv != *d ]] || settings=(--config-settings=setup-args=-Dcpp_args=-fno-canonical-system-headers)
  # The build tree is kept beside the environment, so that the next time only what changed is compiled.
  # The environment's own meson and ninja come first, as they do for who has activated it.
  run env PATH="$PWD/$venv/bin:$PATH" "$venv/bin/python" -m pip install -q --no-build-isolation --no-deps --force-reinstall \
    --config-settings=build-dir="$tree" "${settings[@]}" . >&2 </dev/null || return
  printf '%s\n' "$sources" >"$venv/sources"
}

# Takes an interpreter; has martlet's wheel in its environment, whose path it leaves in `venv`. Counts a failure when that fails.
prepare_python() {
  local status=0 began=$SECONDS
  venv=$(environment "$1") || exit
  rm -f "$venv/pytest.xml"
  install_wheel "$venv" || status=$?
  took "building the wheel in $venv" "$began"
  [ "$status" -eq 0 ] || count "$status" '0 1 0'
  return "$status"
}

# Takes an environment and what pytest is given; runs it there. What the array `around` has stands before the command.
run_pytest() {
  local venv=$1
  shift
  run "${around[@]}" "$venv/bin/python" -m pytest "$@" --junitxml="$venv/pytest.xml" -p no:cacheprovider </dev/null
}

# Takes an environment, what pytest has left with, and the value of SECONDS when it began.
count_pytest() {
  count "$2" "$("$python" .dev/tally.py junit "$1/pytest.xml")"
  took "testing in $1" "$3"
}

# Takes an interpreter and what pytest is given, all tests without; runs it in the interpreter's environment, on martlet's wheel
# (needs .dev/counting.sh).
test_python() {
  local venv status=0 began
  prepare_python "$1" || return 0
  shift
  [ $# -gt 0 ] || set -- tests/python
  began=$SECONDS
  run_pytest "$venv" "$@" || status=$?
  count_pytest "$venv" "$status" "$began"
}

# Takes interpreters; runs all tests on all of them at once, since a test waits more than it computes. The output of the last is
# shown as it comes, that of the others behind it.
test_pythons() {
  local venv began status all=() tasks=() i
  for interpreter; do
    if prepare_python "$interpreter"; then
      all+=("$venv")
    fi
  done
  began=$SECONDS
  for ((i = 0; i < ${#all[@]} - 1; ++i)); do
    run_pytest "${all[i]}" tests/python >"${all[i]}/pytest.log" 2>&1 &
    tasks+=($!)
  done
  if [ ${#all[@]} -gt 0 ]; then
    status=0
    run_pytest "${all[-1]}" tests/python || status=$?
    count_pytest "${all[-1]}" "$status" "$began"
  fi
  for i in "${!tasks[@]}"; do
    status=0
    wait "${tasks[i]}" || status=$?
    cat "${all[i]}/pytest.log"
    count_pytest "${all[i]}" "$status" "$began"
  done
}
