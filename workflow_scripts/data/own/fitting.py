"""Pictures brought to one side.

The largest square in the middle of a picture is cut out and averaged over areas; smaller ones are enlarged by repeating
pixels.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image


def fitted(picture: "Image.Image", side: int, channels: int) -> "NDArray[np.uint8]":
    """A picture as (C, S, S): the square in its middle, averaged over areas."""
    import numpy as np
    from PIL import Image, ImageOps

    picture = picture.convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(ImageOps.fit(picture, (side, side), Image.Resampling.BOX))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
