#include "command_line.hpp"

int main(int argc, char** argv) { return martlet::loadtest::run_command_line(argc, argv); }
