# The trees that a sanitizer watches. The options it reads at run time stand in tests/meson.build.

# Takes asan or tsan, or with clang in place of g++ clang-tsan, and options of `meson test`; without options it runs the quick
# tests of the core rooms, and under ASan of loadtest too, which parses what strangers wrote.
test_sanitized() {
  local sanitizer=${1#clang-} tree=build/$1 suite compiler=() options=()
  [ "$sanitizer" = "$1" ] || compiler=(--native-file .ci/clang.ini)
  shift
  configure "$tree" "${compiler[@]}" --native-file ".ci/$sanitizer.ini"
  if [ $# -gt 0 ]; then
    options=("$@")
  else
    for suite in "${core_suites[@]}"; do
      options+=(--suite "$suite")
    done
    [ "$sanitizer" = tsan ] || options+=(--suite loadtest --suite fuzz)
  fi
  # ThreadSanitizer of g++ 12 does not find its shadow where the kernel spreads mappings more widely than it knows.
  if [ "$sanitizer" = tsan ] && [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -gt 28 ]; then
    setarch -R true 2>/dev/null || die "ThreadSanitizer needs vm.mmap_rnd_bits at 28 or less here: sysctl vm.mmap_rnd_bits=28, or allow setarch -R."
    options+=(--wrapper 'setarch -R')
  fi
  if build_to_test "$tree"; then
    test_tree "$tree" "${options[@]}"
  fi
}

