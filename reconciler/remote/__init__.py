"""The API we reconcile: its operations, its wire shapes, a careful client, a complete reading."""

import sys

# httpx imports its own command line wherever click, rich and pygments are there, which takes as
# long as all the rest of it. None makes that import fail at once, and httpx does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # the documented way to say so
