"""The library has one thread-local of its own, which base::current() reads: any other could be read over a switch.

    one_thread_local.py LIBRARY
"""

import subprocess
import sys


def main():
    table = subprocess.run(["readelf", "--wide", "--syms", sys.argv[1]], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in table.splitlines()]
    found = sorted({row[-1] for row in rows if len(row) >= 8 and row[3] == "TLS" and row[6] != "UND"})
    if found != ["martlet_current"]:
        sys.exit(f"expected the thread-local martlet_current and no other, found {', '.join(found) or 'none'}: "
                 "ask base::current() instead, which is laundered against compilers that keep addresses over a switch")


main()
