"""A secret never appears in a message, whatever encoding a server uses to repeat it."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.remote.wire_secrets import LONGEST_TEXT, REDACTED, needles_of, redact

SECRET = "sk%2Fcanary&PCT+CANARY/"
PEM = "-----BEGIN PRIVATE KEY-----\nQ0FOQVJZQ0FOQVJZQUJD\nZm9ydHktdHdvZm9ydHkh\n-----END KEY-----\n"


def units(text: str) -> list[int]:
    octets = text.encode("utf-16-be")
    return [int.from_bytes(octets[i : i + 2], "big") for i in range(0, len(octets), 2)]


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "html": html.escape,
    "decimal entities": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "padded decimal entities": lambda t: "".join(f"&#{ord(c):07d};" for c in t),
    "hex entities": lambda t: "".join(f"&#x{ord(c):X};" for c in t),
    "url": lambda t: quote(t, safe=""),
    "url but for slashes": quote,
    "form": quote_plus,
    "every byte": lambda t: "".join(f"%{b:02x}" for b in t.encode()),
    "json": json.dumps,
    "json in unicode": lambda t: json.dumps(t, ensure_ascii=False),
    "units": lambda t: "".join(f"\\u{u:04x}" for u in units(t)),
    "capital units": lambda t: "".join(f"\\u{u:04X}" for u in units(t)),
    "percent units": lambda t: "".join(f"%u{u:04X}" for u in units(t)),
    "braced points": lambda t: "".join(f"\\u{{{ord(c):x}}}" for c in t),
    "long points": lambda t: "".join(f"\\U{ord(c):08x}" for c in t),
    "repr": repr,
}
CASES: dict[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper}
BINARY: dict[str, Callable[[str], str]] = {
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "url-safe base64": lambda t: base64.urlsafe_b64encode(b"user:" + t.encode() + b"@").decode(),
    "unpadded base64": lambda t: base64.b64encode(b"k=" + t.encode()).decode().rstrip("="),
    "hex": lambda t: t.encode().hex(),
    "capital hex": lambda t: t.encode().hex().upper(),
}
EVERY = ENCODINGS | CASES | BINARY


OTHERS = [f"sk-of-another-{number:03}-{number**20:x}" for number in range(100, 120)]


def shown(secret: str, echoed: str, template: str = "Incorrect key ({}) provided") -> str:
    text = template.format(echoed)
    found = redact(text, needles_of([secret]))
    # With many secrets, each is found by its suffix.
    assert redact(text, needles_of([*OTHERS, secret])) == found
    return found


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_one_encoding_is_decoded(name: str, *, twice: bool) -> None:
    echoed = EVERY[name](SECRET)
    if twice and name not in BINARY:
        echoed = EVERY[name](echoed)
    assert shown(SECRET, echoed) == "Incorrect key [redacted] provided"


SECRETS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=16, max_size=40
).filter(lambda text: sum(c.isalnum() for c in text) >= 12)


@settings(deadline=None)
@given(
    SECRETS,
    st.sampled_from([str, *BINARY.values()]),
    st.lists(st.sampled_from(list(ENCODINGS.values())), max_size=3),
    st.sampled_from(["({})", '"{}",', "key={}&b=1", "<b>{}</b>", "x:{}"]),
)
def test_nested_encodings_are_decoded(
    secret: str, inner: Callable[[str], str], outer: list[Callable[[str], str]], around: str
) -> None:
    echoed = inner(secret)
    for encode in outer:
        echoed = encode(echoed)
    # Three padded encodings of a long secret exceed what `redact` reads.
    is_too_long = len(f"got {around} here".format(echoed)) > LONGEST_TEXT
    expected = REDACTED if is_too_long else "got [redacted] here"
    assert shown(secret, echoed, f"got {around} here") == expected


@given(
    st.text(st.characters(min_codepoint=0xA1, max_codepoint=0x2FFFF, categories=["L", "N"])),
    st.lists(st.sampled_from(list(ENCODINGS.values())), max_size=3),
)
def test_letters_of_any_script_are_found(text: str, outer: list[Callable[[str], str]]) -> None:
    secret = f"pass{text}wort"
    echoed = secret
    for encode in outer:
        echoed = encode(echoed)
    assert shown(secret, echoed) == "Incorrect key [redacted] provided"


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_every_line_of_a_multi_line_secret_is_redacted(encode: Callable[[str], str]) -> None:
    for echoed in (PEM, PEM.strip(), PEM.replace("\n", " "), PEM.split("\n")[1]):
        said = shown(PEM, encode(echoed)).lower()
        assert encode("Q0FOQVJZQ0FOQVJZ").lower() not in said
        assert encode("Zm9ydHktdHdv").lower() not in said


def test_a_truncated_or_wrapped_secret_is_found() -> None:
    secret = "sk_live.0123456789abcdefghijklmnopqrstuvwxyz.XYZ"
    for echoed in (secret[:30], secret[-30:], f"{secret[:20]}\n {secret[20:]}", f"'{secret}'."):
        assert shown(secret, echoed) == "Incorrect key [redacted] provided", echoed


@pytest.mark.parametrize("secret", ["a  b", "%20%20%20", "abcd", "abcdefg", *OTHERS])
def test_among_many_secrets_one_of_any_length_is_found(secret: str) -> None:
    assert REDACTED in shown(secret, secret)


def test_other_text_is_kept() -> None:
    text = "all is well & fine, 100% of C:\\new &amp; &unknown; at /a?b=1&copy=2 for sk-***xyz"
    assert redact(text, needles_of([SECRET, PEM, "abc"])) == text


def test_a_short_secret_is_compared_literally() -> None:
    assert shown("te-st", "te-st") == "Incorrect key [redacted] provided"
    assert "test" in shown("te-st", "test")


@pytest.mark.parametrize("name", ["url", "units", "decimal entities", "html"])
@pytest.mark.parametrize("looks", ["sk-proj-abcdef0123456789", "AKIACANARY012345", PEM.strip()])
def test_text_that_resembles_a_secret_is_redacted_without_known_secrets(
    name: str, looks: str
) -> None:
    said = redact(f"bad key {ENCODINGS[name](looks)}", needles_of([]))
    assert said == "bad key [redacted]"


@pytest.mark.parametrize(
    "bomb",
    [
        "%25" * 20_000,
        "%" + "25" * 30_000 + "41",
        "&amp;" + "amp;" * 15_000,
        "\\" * 60_000,
        "\\u005cu005c" * 5_000,
        "&" * 60_000,
        "a " * 30_000,
    ],
)
def test_a_long_text_of_escapes_takes_limited_steps_and_is_kept(bomb: str) -> None:
    assert len(redact(bomb, needles_of([SECRET]))) <= len(bomb)
    assert SECRET not in redact(f"{bomb} {SECRET}", needles_of([SECRET]))


def test_text_that_is_too_long_or_encoded_too_often_is_withheld() -> None:
    echoed = SECRET
    for _ in range(20):
        echoed = quote(echoed, safe="")
    assert shown(SECRET, echoed) == "Incorrect key [redacted] provided"
    assert redact("x" * (LONGEST_TEXT + 1), needles_of([])) == "[redacted]"
