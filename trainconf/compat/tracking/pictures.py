"""Pictures from arrays, tensors, PIL images and matplotlib figures. PNG is written here, so that a job needs no PIL."""

from __future__ import annotations

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Tuple

PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: grey, grey and alpha, RGB, RGBA (PNG specification, 11.2.2)


class Picture:
    """Pixels of 8 bits, in rows."""

    def __init__(self, size: Tuple[int, int], channels: int, pixels: bytes) -> None:
        self.size = size
        self.channels = channels
        self.pixels = pixels

    def encoded(self, ending: str) -> bytes:
        """The file's content. Other formats than PNG need PIL in the job: ImportError says so."""
        if ending == ".png":
            return self._png()
        import io

        from PIL import Image

        stream = io.BytesIO()
        Image.open(io.BytesIO(self._png())).convert("RGB").save(stream, format={"jpg": "jpeg"}.get(ending[1:], ending[1:]))
        return stream.getvalue()

    def _png(self) -> bytes:
        width, height = self.size
        row = width * self.channels
        lines = b"".join(b"\0" + self.pixels[start : start + row] for start in range(0, row * height, row))
        head = struct.pack(">IIBBBBB", width, height, 8, PNG_COLOURS[self.channels], 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


class Drawn(Picture):
    """A picture that is PNG already."""

    def __init__(self, size: Tuple[int, int], png: bytes) -> None:
        super().__init__(size, 4, b"")
        self._drawn = png

    def _png(self) -> bytes:
        return self._drawn


def is_picture(value: Any) -> bool:
    """Whether a value is a picture by itself: a PIL image, a figure of matplotlib, or pyplot."""
    if getattr(value, "__name__", "") == "matplotlib.pyplot":
        return True
    names = {"%s.%s" % (kind.__module__.split(".")[0], kind.__name__) for kind in type(value).__mro__}
    return bool(names & {"PIL.Image", "matplotlib.Figure", "matplotlib.FigureBase", "matplotlib.Axes"})


def read(data: Any, normalize: bool = True) -> Picture:
    """The picture that some data stands for. Raises ValueError for what is none."""
    import io

    if hasattr(data, "gcf"):  # pyplot
        data = data.gcf()
    if hasattr(data, "savefig") or hasattr(getattr(data, "figure", None), "savefig"):
        stream = io.BytesIO()
        (data if hasattr(data, "savefig") else data.figure).savefig(stream, format="png")
        return Drawn(struct.unpack(">II", stream.getvalue()[16:24]), stream.getvalue())
    if hasattr(data, "save") and hasattr(data, "convert"):
        stream = io.BytesIO()
        (data if data.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I") else data.convert("RGB")).save(stream, format="PNG")
        return Drawn(data.size, stream.getvalue())
    if isinstance(data, (bytes, bytearray)) or hasattr(data, "read"):
        png = bytes(data) if isinstance(data, (bytes, bytearray)) else data.read()
        if png[:8] != b"\x89PNG\r\n\x1a\n":
            raise ValueError("bytes that are no PNG; give a picture of another format as a path")
        return Drawn(struct.unpack(">II", png[16:24]), png)
    return _of_array(data, normalize)


def _of_array(data: Any, normalize: bool) -> Picture:
    """An array (height, width), (height, width, channel); a tensor (channel, height, width), of several the row of them."""
    import numpy

    is_tensor = hasattr(data, "detach") or type(data).__module__.split(".")[0] == "torch"
    if is_tensor:
        data = data.detach().cpu()
        data = (data.float() if str(data.dtype) == "torch.bfloat16" else data).numpy()
    pixels = numpy.asarray(data)
    if is_tensor and pixels.ndim == 4:
        pixels = numpy.concatenate(list(pixels), axis=-1)
    if is_tensor and pixels.ndim == 3:
        pixels = pixels.transpose(1, 2, 0)
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    pixels = pixels.squeeze() if pixels.ndim > 3 else pixels
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or channels not in PNG_COLOURS or not pixels.size:
        raise ValueError("a picture of shape %s; (height, width) or (height, width, 1 to 4) is one" % (tuple(pixels.shape),))
    height, width = pixels.shape[:2]
    return Picture((width, height), channels, _bytes(pixels, normalize).tobytes())


def _bytes(pixels: Any, normalize: bool) -> Any:
    """As 8 bits: truth values and fractions between 0 and 1, or between -1 and 1, are spread over them; others are cut off."""
    import numpy

    if pixels.dtype == numpy.uint8:
        return numpy.ascontiguousarray(pixels)
    numbers = numpy.nan_to_num(pixels.astype("float64"))
    if normalize and (pixels.dtype == bool or (pixels.dtype.kind == "f" and numbers.max() <= 1)):
        numbers = (numbers + 1) * 127.5 if -1 <= numbers.min() < 0 else numbers * 255
    return numpy.clip(numbers, 0, 255).round().astype("uint8")


def gif(frames: Any, fps: int) -> bytes:
    """Frames (time, channel, height, width) as a GIF. Raises ImportError without PIL, ValueError for another shape."""
    import io

    import numpy
    from PIL import Image

    frames = frames.detach().cpu().numpy() if hasattr(frames, "detach") else numpy.asarray(frames)
    frames = frames[0] if frames.ndim == 5 else frames
    if frames.ndim != 4:
        raise ValueError("a film of shape %s; (time, channel, height, width) is one" % (tuple(frames.shape),))
    shown = [Image.open(io.BytesIO(_of_array(frame.transpose(1, 2, 0), True).encoded(".png"))).convert("RGB") for frame in frames]
    stream = io.BytesIO()
    shown[0].save(stream, format="GIF", save_all=True, append_images=shown[1:], duration=int(1000 / fps), loop=0)
    return stream.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
