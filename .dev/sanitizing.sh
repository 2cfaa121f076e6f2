# The trees that a sanitizer watches. The options it reads at run time stand in tests/meson.build.

# Takes asan or tsan, or with clang in place of g++ clang-tsan, and options of `meson test`; without options it runs the quick
# tests of the core rooms, and under ASan of loadtest too, which parses what strangers wrote.
test_sanitized() {
  local sanitizer=${1#clang-} tree=build/$1 suite wrapper compiler=() options=()
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
  if [ "$sanitizer" = tsan ]; then
    wrapper=$(under_tsan)
    [ -z "$wrapper" ] || options+=(--wrapper "$wrapper")
  fi
  if build_to_test "$tree"; then
    test_tree "$tree" "${options[@]}"
  fi
}

