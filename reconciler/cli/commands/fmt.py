"""`reconcile fmt`: rewrite the files in canonical format, keeping comments."""

import click

from reconciler.cli.global_options import Command, Invocation
from reconciler.desired.documents import blocked_folders, is_in_layout
from reconciler.desired.fmt import format_file
from reconciler.desired.problem_collector import ProblemCollector
from reconciler.desired.source import DirectorySource, UnreadableFile
from reconciler.desired.yaml_reader import read_yaml
from reconciler.errors import InvalidInput
from reconciler.pull import working_copy
from reconciler.views.escape import visible


@click.command("fmt", cls=Command)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with code 2 if a file would change"
)
@click.pass_obj
def command(invocation: Invocation, *, check: bool) -> int:
    """Rewrite the files in canonical format, keeping comments.

    The order of fields, the indentation and empty lines may change, but never the meaning of a
    file. The names of changed files are printed. If any file cannot be read, no file is written.
    """
    changed = _changed(DirectorySource(invocation.dir))
    if not check:
        working_copy.write(invocation.dir, changed)
    for path in changed:
        invocation.console.data(visible(f"{invocation.dir}/{path}", limit=None))
    return 2 if check and changed else 0


def _changed(source: DirectorySource) -> dict[str, bytes]:
    findings = ProblemCollector(source)
    changed = {}
    paths = source.paths()
    blocked = blocked_folders(source, paths)
    for path, problem in blocked.items():
        findings.add_unreadable(path, problem)
    for path in paths:
        if path in blocked or not is_in_layout(path):
            continue
        try:
            data = source.read(path)
        except UnreadableFile as problem:
            findings.add_unreadable(path, problem)
            continue
        reading = read_yaml(data)
        if reading.faults:
            findings.add_faults(path, reading, data)
        elif (after := format_file(data, path=path)) != data:
            changed[path] = after
    if findings.diagnostics:
        raise InvalidInput(findings.diagnostics)
    return changed
