#!/usr/bin/env bash
# Install reconcile from the checkout of this action into a virtual environment of the job, and put
# it on the PATH of the following steps. Every dependency is locked by version and hash.
#
# The environment keeps a self-hosted runner clean, whose Python may refuse other packages.
set -euo pipefail

export PIP_DISABLE_PIP_VERSION_CHECK=1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
environment=$(mktemp -d "${RUNNER_TEMP:-/tmp}/reconcile-XXXXXXXX")

python3 -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --require-hashes --only-binary :all: \
    -r "$here/requirements.txt"
"$environment/bin/python" -m pip install --quiet --no-deps --no-build-isolation "$here/../../.."
echo "$environment/bin" >> "$GITHUB_PATH"
