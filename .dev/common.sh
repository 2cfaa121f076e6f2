# What the commands of ./dev share. Sourced by ./dev in the repository's root, with `set -euo pipefail`.

export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
debug_tree=build/debug
release_tree=build/release
cache=${XDG_CACHE_HOME:-$HOME/.cache}/martlet
core_rooms=(base tasklet scheduler channel net)
core_suites=("${core_rooms[@]}" linear hazards faults) # what passes under sanitizers, and wherever tasklets run

# Packages by what they are needed for. Debian 12 has two Boosts, and its default is too old.
boost_packages=(libboost-dev libboost-context-dev)
if grep -qs '^VERSION_ID="12"' /etc/os-release; then
  boost_packages=(libboost1.81-dev libboost-context1.81-dev)
fi
build_packages=(g++ meson ninja-build pkg-config python3 python3-dev "${boost_packages[@]}" libtbb-dev libhwloc-dev doctest-dev nlohmann-json3-dev libcli11-dev zlib1g-dev
  python3-jsonschema)
bench_packages=(libbenchmark-dev)
compare_packages=("${boost_packages[@]/context/fiber}" liburing-dev python3-venv python3-dev python3-matplotlib)
python_packages=(python3-venv python3-dev libpython3.11-testsuite openssl postgresql)

die() {
  printf 'dev: %s\n' "$*" >&2
  exit 1
}

die_usage() {
  printf 'dev: %s\n' "$*" >&2
  exit 2
}

bare_word='^[A-Za-z0-9_./:=@%+,>-]+$' # a word that reads the same without quotes
# Prints a command. What is captured or summed goes to stdout, so this goes to stderr.
show() {
  local word line=
  for word; do
    [[ $word =~ $bare_word ]] || word=${word@Q}
    line+=" $word"
  done
  printf '+%s\n' "$line" >&2
}

# Prints a command and runs it.
run() {
  show "$@"
  "$@"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    run "$@"
  elif command -v sudo >/dev/null; then
    run sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    die "'$*' has to run as root: run it yourself, or install sudo."
  fi
}

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | sort -u)" = installed ]
}

# Takes Debian packages; installs those that are missing, and does nothing when none is.
need() {
  local package missing=()
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    if [ -z "${said_no_apt:-}" ]; then
      said_no_apt=1
      echo "dev: this is no Debian; what its packages $* hold is taken to be there." >&2
    fi
    return
  fi
  for package; do
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ -z "${apt_updated:-}" ]; then
    as_root apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 update >&2 ||
      echo "dev: apt-get update failed; trying with the lists that are there." >&2
    apt_updated=1
  fi
  as_root apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 install --no-install-recommends "${missing[@]}" \
    >&2 </dev/null || die "these packages could not be installed: ${missing[*]}."
}

# Prints what a program under ThreadSanitizer is started with: that of g++ 12 does not find its shadow where the kernel spreads
# mappings more widely than it knows.
under_tsan() {
  [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -gt 28 ] || return 0
  setarch -R true 2>/dev/null || die "ThreadSanitizer needs vm.mmap_rnd_bits at 28 or less here: sysctl vm.mmap_rnd_bits=28, or allow setarch -R."
  echo setarch -R
}

# Debian's meson before another on the PATH: it is the version that the project promises to build with.
meson() {
  local program=/usr/bin/meson
  [ -x "$program" ] || program=$(type -P meson) || die "meson is missing; install meson 1.0.1 or newer."
  run "$program" "$@"
}

# Prints the system's Python, 3.11 or newer, for our own scripts and as the older one that the extension is tested with.
system_python() {
  local python
  for python in /usr/bin/python3.11 /usr/bin/python3 python3.11 python3.12 python3.13 python3.14 python3; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      type -P "$python"
      return
    fi
  done
  die "no Python 3.11 or newer was found; install python3."
}

# Takes a build tree and the options of `meson setup`; configures the tree unless it has been configured with these very options.
configure() {
  local tree=$1 options headers mark=$1/dev-options again=()
  shift
  options="$*"
  # The test that each header compiles alone is generated for the headers there are at this moment, so a new one configures again.
  headers=$(find base tasklet scheduler channel net loadtest interpreter_bindings -path '*/include/*' -name '*.h*' | sort)
  if [ -e "$tree/meson-private/coredata.dat" ]; then
    [ "$(cat "$mark" 2>/dev/null)" != "$options"$'\n'"$headers" ] || return 0
    if [ -e "$mark" ] && [ "$(head -n 1 "$mark")" != "$options" ]; then
      rm -rf "$tree"
    else
      again=(--reconfigure)
    fi
  fi
  rm -f "$mark"
  meson setup "${again[@]}" "$tree" "$@" >&2 || die "meson could not configure $tree; what it found stands above."
  printf '%s\n' "$options" "$headers" >"$mark"
}

compile() {
  local tree=$1
  shift
  run ninja -C "$tree" "$@" >&2
}

# The tree for every day. A warning is an error where nobody looks at it.
configure_debug() {
  local cold=()
  [ "${CI:-}" != true ] || cold=(--native-file .ci/cold.ini -Doptimization=1 -Dwerror=true)
  configure "$debug_tree" "${cold[@]}" -Dtests=enabled -Dloadtest=enabled -Dexamples=enabled -Dbench=disabled
}
