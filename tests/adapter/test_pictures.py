"""Pages and reports look like the pictures in `tests/golden/pictures`.

The pictures do not depend on the fonts of a machine, because every character is drawn as a box of
one size. They show the position, size and colour of elements. Regenerate them with `python -m
tests.adapter.test_pictures` and check them by eye.
"""

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image, ImageChops, ImageFilter

from tests.adapter.test_layout import SCHEMES, WIDTHS, written
from tests.browser import Browser, browser

pytestmark = pytest.mark.needs_system

PICTURES = Path(__file__).parents[1] / "golden/pictures"
PAGES = ("overview", "detail", "plan", "blocked", "drift")
HEIGHT = 1800
SCALE = 0.4
TOLERANCE = 12
"""Of 255, after blurring: less than text in place of nothing, more than another anti-aliasing."""

_UNITS = 1000
_BLANKS = (0x20, 0xA0)
_CHARACTERS = [*range(0x20, 0x180), *range(0x2000, 0x2800)]


def boxes() -> bytes:
    """Return a font in which every character is the same box, and a space is as wide as the box."""
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for point in ((50, 550), (450, 550), (450, 0)):
        pen.lineTo(point)
    pen.closePath()
    box, blank = pen.glyph(), TTGlyphPen(None).glyph()
    font = FontBuilder(_UNITS, isTTF=True)
    font.setupGlyphOrder([".notdef", "box", "blank"])
    font.setupCharacterMap({c: "blank" if c in _BLANKS else "box" for c in _CHARACTERS})
    font.setupGlyf({".notdef": box, "box": box, "blank": blank})
    font.setupHorizontalMetrics(dict.fromkeys((".notdef", "box", "blank"), (500, 50)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Boxes", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    font.setupPost()
    written_font = BytesIO()
    font.save(written_font)
    return written_font.getvalue()


def use_boxes(shown: Browser) -> None:
    """Render the open page with the box font."""
    shown.evaluate(f"""(async () => {{
      const source = 'url(data:font/ttf;base64,{b64encode(boxes()).decode()})';
      const font = await new FontFace('Boxes', source).load();
      document.fonts.add(font);
      const style = document.createElement('style');
      style.textContent = '* {{ font-family: Boxes !important; letter-spacing: 0 !important; }}';
      document.head.append(style);
      await document.fonts.ready;
      // The second frame shows what was laid out in the first.
      await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    }})()""")


def settled(shown: Browser) -> bytes:
    """Return a picture once two captures in a row are equal, as the first may be too early."""
    before = b""
    for _ in range(10):
        picture = shown.picture(height=HEIGHT, scale=SCALE)
        if picture == before:
            break
        before = picture
    return picture


def pictures(shown: Browser, folder: Path) -> dict[str, bytes]:
    """Return a picture of each page by width and scheme."""
    # The security policy of the pages allows only their own style sheet.
    shown.call("Page.setBypassCSP", enabled=True)
    urls = written(folder)
    taken = {}
    for name in PAGES:
        for width in WIDTHS:
            for scheme in SCHEMES:
                shown.open(urls[name], width=width, scheme=scheme)
                use_boxes(shown)
                taken[f"{name}-{width}-{scheme}"] = settled(shown)
    return taken


def difference(one: Image.Image, other: Image.Image) -> int:
    """Return the greatest difference of a colour channel in any pixel, 0 to 255, after blurring."""
    blurred = [image.convert("RGB").filter(ImageFilter.BoxBlur(2)) for image in (one, other)]
    return max(high for _, high in ImageChops.difference(*blurred).getextrema())


def test_pages_look_like_their_pictures(tmp_path: Path) -> None:
    with browser(tmp_path) as shown:
        taken = pictures(shown, tmp_path)
    differing = {}
    for name, picture in taken.items():
        seen = Image.open(BytesIO(picture))
        golden = Image.open(BytesIO((PICTURES / f"{name}.png").read_bytes()))
        if seen.size != golden.size:
            differing[name] = f"{seen.size} instead of {golden.size}"
        elif (found := difference(seen, golden)) > TOLERANCE:
            differing[name] = f"differs by {found}"
    assert differing == {}, "look at them: python -m tests.adapter.test_pictures"
    assert {f"{name}.png" for name in taken} == {file.name for file in PICTURES.iterdir()}


def test_an_added_line_and_a_changed_colour_are_detected() -> None:
    page = Image.new("RGB", (512, 400), "white")
    line = page.copy()
    line.paste((90, 90, 90), (20, 20, 200, 24))
    red = page.copy()
    red.paste((255, 210, 210), (0, 0, 512, 20))
    assert difference(page, line) > TOLERANCE
    assert difference(page, red) > TOLERANCE
    assert difference(page, page.copy()) == 0


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as _folder, browser(Path(_folder)) as _shown:
        for _name, _picture in pictures(_shown, Path(_folder)).items():
            Image.open(BytesIO(_picture)).convert("RGB").save(
                PICTURES / f"{_name}.png", optimize=True
            )
