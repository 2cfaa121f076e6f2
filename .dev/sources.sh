# The C++ files that are ours.
cpp_files() {
  find base tasklet scheduler channel net loadtest interpreter_bindings tests bench docs \
    \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.hpp' \) -print | sort
}
