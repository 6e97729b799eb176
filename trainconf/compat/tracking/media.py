"""Media of a logged row: each becomes a file below outputs/<tool>/media, and a line in media.jsonl says which step has it."""

from __future__ import annotations

import os

from trainconf.compat.tracking import pictures
from trainconf.compat.tracking.folder import copy, file_name
from trainconf.compat.tracking.notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


class Media:
    """One file, given as a path, as something with `read`, or as data that a subclass knows how to write."""

    kind = "file"
    ending = ".bin"

    def __init__(self, data_or_path: Any = None, caption: Optional[str] = None, **options: Any) -> None:
        self._data = data_or_path
        self.caption = _text(caption)
        self.options = options
        self.path = os.path.abspath(os.fspath(data_or_path)) if self._is_path(data_or_path) else ""
        self.file_path = self.path

    def _is_path(self, data: Any) -> bool:
        return isinstance(data, (str, os.PathLike))

    def described(self) -> Dict[str, Any]:
        """What media.jsonl says besides kind, name, step and file."""
        return {"caption": self.caption} if self.caption else {}

    def save(self, base: str) -> str:
        """Write the file to `base` and its ending; return its path. Raises OSError, and ValueError for data of a kind that is not known."""
        if self.path:
            target = base + (os.path.splitext(self.path)[1] or self.ending)
            copy(self.path, target)
            return target
        target = base + self.ending
        content = self._data.read() if hasattr(self._data, "read") else self.content()
        with open(target, "wb") as stream:
            stream.write(content if isinstance(content, bytes) else str(content).encode("utf-8"))
        return target

    def content(self) -> Any:
        """The bytes or the text of the file, from the data. Raises ValueError."""
        if isinstance(self._data, (bytes, bytearray)):
            return bytes(self._data)
        raise ValueError("a %s of a %s; give it as a path" % (self.kind, type(self._data).__name__))


class Image(Media):
    """A picture: a path, a numpy array, a tensor, a PIL image, a matplotlib figure."""

    kind = "image"
    ending = ".png"

    def __init__(
        self, data_or_path: Any = None, mode: Any = None, caption: Any = None, grouping: Any = None, classes: Any = None, boxes: Any = None,
        masks: Any = None, file_type: Optional[str] = None, normalize: bool = True, value: Any = None, **options: Any
    ) -> None:  # fmt: skip
        data = value if data_or_path is None else data_or_path
        super().__init__(data, caption, **options)
        self._boxes, self._masks, self._classes = boxes, masks, classes
        self._picture = None if self.path else pictures.read(data, normalize)  # now: the script may draw on it again
        self.ending = "." + file_type.lstrip(".") if file_type else self.ending
        size: Any = self._picture.size if self._picture is not None else (None, None)
        self.width, self.height = size
        self.format = self.ending[1:]

    @property
    def image(self) -> Any:
        """The picture as PIL has it, where the job has PIL."""
        import io

        from PIL import Image as PIL

        with open(self.path, "rb") if self.path else io.BytesIO(self.content()) as stream:
            found = PIL.open(stream)
            found.load()
            return found

    def content(self) -> bytes:
        assert self._picture is not None
        return self._picture.encoded(self.ending)

    def described(self) -> Dict[str, Any]:
        given = {"boxes": self._boxes, "masks": _without_arrays(self._masks), "classes": self._classes}
        return dict(super().described(), **{key: value for key, value in given.items() if value})


class Video(Media):
    """A film: a path or an opened file; frames (time, channel, height, width) become a GIF where the job has PIL."""

    kind = "video"
    ending = ".mp4"

    def __init__(
        self, data_or_path: Any = None, caption: Any = None, fps: Optional[int] = None, format: Optional[str] = None, value: Any = None,
        **options: Any
    ) -> None:  # fmt: skip
        data = value if data_or_path is None else data_or_path
        super().__init__(data, caption, **options)
        self._fps = fps or 4
        frames = not self.path and not hasattr(data, "read") and not isinstance(data, (bytes, bytearray))
        self.ending = ".gif" if frames else "." + (format or "mp4")

    def content(self) -> Any:
        if hasattr(self._data, "shape"):
            return pictures.gif(self._data, self._fps)
        return super().content()


class Audio(Media):
    """A sound: a path, or samples and `sample_rate`, which become a WAV file of 16 bits."""

    kind = "audio"
    ending = ".wav"

    def __init__(self, data_or_path: Any = None, sample_rate: Any = None, caption: Any = None, value: Any = None, **options: Any) -> None:
        # trackio's second argument is the caption, wandb's the rate of samples
        swapped = isinstance(sample_rate, str)
        data = value if data_or_path is None else data_or_path
        super().__init__(data, sample_rate if swapped else caption, **options)
        self._rate = (caption if swapped else sample_rate) or 16000

    def content(self) -> Any:
        if not hasattr(self._data, "tolist") and not isinstance(self._data, (list, tuple)):
            return super().content()
        return _wav(self._data, int(self._rate))


class Html(Media):
    """A page: a text, a path that ends with .html, or an opened file."""

    kind = "html"
    ending = ".html"

    def __init__(self, data: Any = None, inject: bool = True, data_is_not_path: bool = False, **options: Any) -> None:
        self._only_text = data_is_not_path
        super().__init__(data, **options)
        self.html = data if isinstance(data, str) and not self.path else ""

    def _is_path(self, data: Any) -> bool:
        if self._only_text:
            return False
        return isinstance(data, os.PathLike) or (isinstance(data, str) and data.endswith((".html", ".htm")) and os.path.isfile(data))

    def content(self) -> Any:
        return self._data if isinstance(self._data, str) else super().content()


class Markdown(Html):
    """A text in Markdown."""

    kind = "markdown"
    ending = ".md"

    def __init__(self, text: Any = "", **options: Any) -> None:
        super().__init__(text, data_is_not_path=True, **options)
        self.text = text


class Object3D(Media):
    """A shape: a path, an opened file, or points as an array or a dict, which become JSON."""

    kind = "object3d"
    ending = ".pts.json"

    def __init__(self, data_or_path: Any = None, caption: Any = None, **options: Any) -> None:
        super().__init__(data_or_path, caption, **options)
        if hasattr(data_or_path, "read"):
            self.ending = "." + str(options.get("file_type") or "obj")

    @classmethod
    def from_file(cls, data_or_path: Any, file_type: Any = None) -> Object3D:
        return cls(data_or_path, file_type=file_type)

    @classmethod
    def from_numpy(cls, data: Any) -> Object3D:
        return cls(data)

    @classmethod
    def from_point_cloud(
        cls, points: Any, boxes: Any = (), vectors: Any = None, point_cloud_type: str = "lidar/beta", **more: Any
    ) -> Object3D:
        return cls({"type": point_cloud_type, "points": points, "boxes": list(boxes), "vectors": vectors})

    def content(self) -> Any:
        import json

        from trainconf.compat.tracking.values import jsonable

        return json.dumps(jsonable(self._data))


class Molecule(Media):
    """A molecule: a path, or an opened file with `file_type`."""

    kind = "molecule"
    ending = ".pdb"

    def __init__(self, data_or_path: Any = None, caption: Any = None, **options: Any) -> None:
        super().__init__(data_or_path, caption, **options)
        self.ending = "." + str(options.get("file_type") or "pdb")

    @classmethod
    def from_smiles(cls, data: str, caption: Any = None, **options: Any) -> Molecule:
        import io

        return cls(io.StringIO(data), caption, file_type="smi")

    @classmethod
    def from_rdkit(cls, data_or_path: Any, caption: Any = None, **options: Any) -> Molecule:
        if isinstance(data_or_path, (str, os.PathLike)):
            return cls(data_or_path, caption)
        import io

        from rdkit import Chem  # the script has made this molecule with it

        return cls(io.StringIO(Chem.MolToPDBBlock(data_or_path)), caption, file_type="pdb")


class Figure(Media):
    """A figure of plotly or bokeh, as the JSON it is drawn from."""

    kind = "figure"
    ending = ".json"

    def content(self) -> Any:
        if hasattr(self._data, "to_json"):
            return self._data.to_json()
        return super().content()


def of(value: Any) -> Optional[Media]:
    """The media that a value logged as it is stands for; None when it is none."""
    if isinstance(value, Media):
        return value
    if pictures.is_picture(value):
        return Image(value)
    if type(value).__module__.split(".")[0] == "plotly":
        return Figure(value)
    return None


def base_name(name: str, step: Any, number: int) -> str:
    """The file of a media, without its ending."""
    return "%s_%s%s" % (file_name(name), step, "_%d" % number if number else "")


def _text(caption: Any) -> Optional[str]:
    return None if caption is None else str(caption)


def _without_arrays(masks: Any) -> Any:
    """Masks are arrays as large as the picture: their class names are kept."""
    if not isinstance(masks, dict):
        return None
    note("masks", "the masks of images are not kept, only the names of their classes")
    return {str(name): mask.get("class_labels") for name, mask in masks.items() if isinstance(mask, dict)}


def _wav(samples: Any, rate: int) -> bytes:
    """Samples between -1 and 1, or whole numbers of 16 bits, as a WAV file. Several channels are columns."""
    import array
    import io
    import wave

    rows = samples.tolist() if hasattr(samples, "tolist") else list(samples)
    channels = len(rows[0]) if rows and isinstance(rows[0], (list, tuple)) else 1
    numbers = [number for row in rows for number in (row if isinstance(row, (list, tuple)) else (row,))]
    scale = 32767 if all(isinstance(number, float) for number in numbers) else 1
    data = array.array("h", (max(-32768, min(32767, int(number * scale) if number == number else 0)) for number in numbers))
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(data.tobytes())
    return stream.getvalue()
