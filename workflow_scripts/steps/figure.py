"""Step: draw one figure from the tables, and describe it for the report.

A figure module offers `draw`, the picture, and may offer `pages`, the pages of its PDF where one picture cannot show
everything, and, where it states `ANIMATION = True`, `animate`, the frames of a GIF. Equal figures are equal bytes.
"""

import importlib
import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from figures import style
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.tables.architectures import read_architectures
from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.files import write_json

GIF_DOTS_PER_INCH = 130
FRAME_MILLISECONDS, LAST_FRAME_MILLISECONDS = 400, 2500
_COLOURS, _NEARLY_WHITE = 256, 248


def run(
    settings: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, list[Path]], progress: Progress
) -> None:
    """Draw settings["figure"] from the inputs `tables`, each file named as its table.

    Writes the outputs pdf, slide, png, description, caption and, where the figure is animated, gif. The description is
    JSON: name, title, category, caption, alternative text, tables; the caption is reStructuredText, for Snakemake's own
    report.
    """
    name = settings["figure"]
    if not name.isidentifier():
        raise ValueError(f"{name} is not the name of a figure")
    module = importlib.import_module(f"figures.{name}")
    tables = {path.stem: _read(path) for path in inputs["tables"]}
    files = {name: paths[0] for name, paths in outputs.items()}
    picture = module.draw(tables)
    style.save(picture, files["pdf"], files["png"])
    style.save_slide(picture, files["slide"])
    if hasattr(module, "pages"):
        style.save_pages(module.pages(tables), files["pdf"])
    if is_animated(module):
        save_animation(module.animate(tables), files["gif"])
    description = {
        "name": name,
        "title": module.TITLE,
        "category": module.CATEGORY,
        "caption": module.caption(tables),
        "alternative": module.alternative(tables),
        "tables": list(module.TABLES),
    }
    write_json(files["description"], description)
    files["caption"].write_text(as_rst(description["caption"]), encoding="utf-8")
    progress.say(f"drawn: {module.TITLE}")


def is_animated(module: ModuleType) -> bool:
    """Whether a figure module has an animation."""
    return bool(getattr(module, "ANIMATION", False))


def save_animation(frames: Iterable[Figure], path: Path) -> None:
    """Write figures of one size as a GIF that starts again at its end; all frames share their colours."""
    with style.applied():
        images = [_pixels(frame) for frame in frames]
    palette = _together(images).quantize(_COLOURS, dither=Image.Dither.NONE)
    _make_white(palette)
    indexed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    path.parent.mkdir(parents=True, exist_ok=True)
    indexed[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=[FRAME_MILLISECONDS] * (len(indexed) - 1) + [LAST_FRAME_MILLISECONDS],
        loop=0,
        optimize=False,
    )


def _pixels(frame: Figure) -> Image.Image:
    frame.set_dpi(GIF_DOTS_PER_INCH)
    canvas = FigureCanvasAgg(frame)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _together(images: list[Image.Image]) -> Image.Image:
    """All frames one below another at half their size, so that a palette of them all can be chosen."""
    width, height = (max(1, side // 2) for side in images[0].size)
    whole = Image.new("RGB", (width, height * len(images)))
    for place, image in enumerate(images):
        whole.paste(image.resize((width, height), Image.Resampling.NEAREST), (0, place * height))
    return whole


def _make_white(palette: Image.Image) -> None:
    """Make a palette's nearly white colours white; choosing the palette has mixed white with the nearest greys."""
    colours = palette.getpalette() or []
    triples = [colours[place : place + 3] for place in range(0, len(colours), 3)]
    palette.putpalette([part for triple in triples for part in ([255] * 3 if min(triple) >= _NEARLY_WHITE else triple)])


def as_rst(text: str) -> str:
    """Plain text as reStructuredText in a template, where no character means anything but itself."""
    return "{% raw %}" + re.sub(r"([^\w\s]|_)", r"\\\1", text) + "{% endraw %}\n"


def _read(path: Path) -> Any:
    return read_architectures(path) if path.stem == "architectures" else TABLES[path.stem].read(path)
