# The release tree, which the demo and the benchmarks run from.

configure_release() {
  configure "$release_tree" -Dbuildtype=release -Dtests=disabled -Dloadtest=enabled -Dexamples=enabled -Dbench=enabled
}
