#!/usr/bin/env bash
# The main job from end to end: a server, a million requests from 10,000 users at once, then Python on all cores.
# Usage: demo.sh BUILD PYTHON, where BUILD is a release tree and PYTHON has martlet installed; `./dev demo` gives both.
set -euo pipefail
build=${1:?usage: demo.sh BUILD PYTHON} python=${2:?usage: demo.sh BUILD PYTHON}
here=$(cd "$(dirname "$0")" && pwd)
reports=$build/demo
mkdir -p "$reports"

"$build/docs/examples/example-http_server" --port 0 > "$reports/server.txt" &
server=$!
trap 'kill "$server" 2> /dev/null || true' EXIT
for _ in $(seq 100); do
  address=$(sed -n 's/^listening on //p' "$reports/server.txt")
  [ -n "$address" ] && break
  sleep 0.05
done
[ -n "$address" ] || { echo "demo: the server did not start within five seconds; see $reports/server.txt" >&2; exit 1; }
echo "the server listens on $address"

"$build/loadtest/martlet-load" run "$here/scenarios/million.json" --target "http://$address" \
  --json "$reports/load.json" --progress
kill -TERM "$server"
wait "$server"
trap - EXIT
cat "$reports/server.txt"

# The server's own account has to agree with the client's.
"$python" - "$reports/load.json" "$reports/server.txt" << 'END'
import json, re, sys
report = json.load(open(sys.argv[1]))
served, most = map(int, re.search(r"served (\d+) requests; at most (\d+) ", open(sys.argv[2]).read()).groups())
sent, errors = report["requests"]["succeeded"], sum(report["errors"].values())
print(f"the client counts {sent} requests and {errors} errors, the server {served} requests, {most} connections at once")
if not (sent == served == 1_000_000 and errors == 0 and most >= 10_000):
    sys.exit("demo: expected a million requests on both sides, no errors, and 10,000 connections open at once")
END

"$python" "$here/pipeline.py" | tee "$reports/pipeline.txt"
echo "the reports lie in $reports"
