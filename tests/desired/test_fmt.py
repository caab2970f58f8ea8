"""The canonical form keeps every comment and changes no meaning."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.fmt import format_file
from reconciler.desired.yaml_reader import read_yaml
from reconciler.desired.yaml_writer import document
from tests.end_to_end.harness import ROOT


def fmt(text: str, path: str = "integrations/a.yaml") -> str:
    return format_file(dedent(text).encode(), path=path).decode()


def test_fields_are_written_in_the_documented_order_with_their_comments() -> None:
    assert fmt(
        """\
        # About the file.

        name: A   # shown
        # Why this one.
        ai_provider_id: openai


        slug: a
        # The end.
        """
    ) == dedent(
        """\
        # About the file.

        slug: a
        name: A # shown
        # Why this one.
        ai_provider_id: openai
        # The end.
        """
    )


def test_lists_of_mappings_use_block_style_and_short_mappings_one_line() -> None:
    assert fmt(
        """\
        slug: a
        tags: { team: search,  "tier": '1' }
        models: [{slug: gpt-5, enabled: true}, # first
          {slug: o1,   enabled: false}
          # none more
        ]
        lifecycle: {ignore: [name, tags]}
        """
    ) == dedent(
        """\
        slug: a
        tags: {team: search, tier: '1'}
        models:
          - {slug: gpt-5, enabled: true} # first
          - {slug: o1, enabled: false}
          # none more
        lifecycle: {ignore: [name, tags]}
        """
    )


def test_indentation_is_two_spaces_and_entries_begin_with_their_identity() -> None:
    assert fmt(
        """\
        slug: a
        workspaces:
        -    enabled: true
             # who
             id: ws-a
             usage_limits:
                 -   {type: cost, credit_limit: 5}
        configurations:
             openai_project:   p
             custom_host: https://example.com
        """
    ) == dedent(
        """\
        slug: a
        configurations:
          openai_project: p
          custom_host: https://example.com
        workspaces:
          # who
          - id: ws-a
            enabled: true
            usage_limits:
              - {type: cost, credit_limit: 5}
        """
    )


def test_json_becomes_yaml() -> None:
    assert fmt('{"slug": "a", "tags": {"k": "v"}, "name": "1"}') == (
        'slug: a\nname: "1"\ntags: {k: v}\n'
    )


def test_a_mapping_that_is_too_long_for_one_line_is_wrapped() -> None:
    tags = ", ".join(f"name-{n}: value-{n}" for n in range(10))
    lines = "".join(f"  name-{n}: value-{n}\n" for n in range(10))
    assert fmt(f"tags: {{{tags}}}\n") == f"tags:\n{lines}"


def test_multi_line_strings_keep_their_content() -> None:
    assert fmt(
        """\
        slug: a
        description: |
             one
               two

             three
        name: >-
            folded
            text
        """
    ) == dedent(
        """\
        slug: a
        name: >-
          folded
          text
        description: |
          one
            two

          three
        """
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("slug: a\n\n\n\nname: b", "slug: a\n\nname: b\n"),
        ("---\nslug: a\n...\n", "slug: a\n"),
        ("slug: a\n---\n# second\nslug: b\n", "slug: a\n---\n# second\nslug: b\n"),
        ("slug: a\r\nname:   b\r\n", "slug: a\r\nname: b\r\n"),
        ("\ufeffslug: a\n", "slug: a\n"),
        ("# only a comment", "# only a comment\n"),
        ("", ""),
        ("key:\n  # why\n  ${env:SECRET_A}\n", "# why\nkey: ${env:SECRET_A}\n"),
        ('name: "no"\n', 'name: "no"\n'),
        ("name: 'it''s'\n", "name: it's\n"),
        ("description:\n", "description:\n"),
        ("description: |+\n  keep\n\n\nname: x\n", 'name: x\ndescription: "keep\\n\\n\\n"\n'),
    ],
)
def test_details_are_normalized(before: str, after: str) -> None:
    assert fmt(before) == after
    assert fmt(after) == after


def test_fields_of_patches_are_sorted_and_slugs_keep_their_order() -> None:
    before = "b:\n  description: x\n  name: y\na: null\n"
    assert fmt(before, path="environments/production/x.yaml") == (
        "b:\n  name: y\n  description: x\na: null\n"
    )


def test_reconcile_yaml_keeps_its_order() -> None:
    text = "version: 1\ntargets:\n  b: {base_url: x}\n  a: {base_url: y}\ndefault_target: a\n"
    assert fmt(text, path="reconcile.yaml") == text


def test_the_examples_are_in_canonical_form() -> None:
    folder = ROOT / "desired-state"
    for file in folder.rglob("*.yaml"):
        data = file.read_bytes()
        assert format_file(data, path=file.relative_to(folder).as_posix()) == data, file


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.text(max_size=12),
    st.sampled_from(["no", "1.0", "a: b", "a #b", " x", "'", '"', "- a", "{", "a\nb", "${env:X}"]),
)
NAMES = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=6)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Generate YAML of any structure, with comments and empty lines between its lines."""
    tree = draw(st.dictionaries(st.sampled_from(["name", "slug", "tags", "models", "x"]), TREES))
    lines = []
    for line in document(tree).splitlines():
        indent = line[: len(line) - len(line.lstrip(" -"))].replace("-", " ")
        lines += draw(st.sampled_from([[], [], [""], [indent + "# note"], ["", "   # apart", ""]]))
        lines.append(line + draw(st.sampled_from(["", "", "  # behind"])))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n", "\n# end"]))


@pytest.mark.slow
@given(texts())
def test_any_file_keeps_its_meaning_and_comments_and_a_second_fmt_changes_nothing(
    text: str,
) -> None:
    data = text.encode("utf-8", "replace")
    before = read_yaml(data)
    if before.faults:
        return
    once = format_file(data, path="integrations/a.yaml")
    after = read_yaml(once)
    assert [d.value for d in after.documents] == [d.value for d in before.documents]
    for note in (b"# note", b"# apart", b"# behind", b"# end"):
        assert once.count(note) == data.count(note)
    assert format_file(once, path="integrations/a.yaml") == once
    known = ["slug", "name", "tags", "models", "x"]
    for one in after.documents:
        assert list(one.value) == [name for name in known if name in one.value]
