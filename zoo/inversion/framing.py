"""What to take of a photograph: the middle, or the face as the network's training pictures were cut."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from zoo._utils.pictures import PictureError
from zoo.errors import OptionError
from zoo.imaging.frames import Frame
from zoo.imaging.photographs import centre_frame
from zoo.models.model import Model
from zoo.registry.alignment import NONE, Alignment, parse_alignment

AUTO = "auto"


@dataclass(frozen=True)
class Framing:
    """How photographs are cut.

    Attributes:
        alignment: The rule by which faces are cut out; None takes the middle.
        always: Whether the rule also holds for pictures of the network's own size, which else are taken as they are:
            they are cut already.
    """

    alignment: Alignment | None = None
    always: bool = False

    @classmethod
    def of(cls, text: str, model: Model) -> Framing:
        """Read ``--align``.

        Args:
            text: ``auto`` is the rule of the model's card; else a rule as cards have it.
            model: The model.

        Returns:
            The framing.

        Raises:
            OptionError: If there is no such rule.
        """
        check_alignment(text)
        if text == AUTO:
            return cls(parse_alignment(model.card.alignment))
        return cls(parse_alignment(text), always=True)

    def choose(self, photograph: Image.Image, shape: tuple[int, int]) -> tuple[Frame, list[str]]:
        """Choose what to take of a photograph.

        Args:
            photograph: Of mode ``RGB``.
            shape: Height and width of the network's images.

        Returns:
            What to take, and remarks where that is not plain.

        Raises:
            PictureError: If there should be a face and none is found.
        """
        size = (photograph.height, photograph.width)
        middle = centre_frame(size, shape)
        if self.alignment is None:
            cut = max(size[0] - middle.height, size[1] - middle.width) >= 1
            taken = f"the middle {round(middle.height)} x {round(middle.width)} pixels of it are taken"
            return middle, [taken] if cut else []
        if size == shape and not self.always:
            return middle, [
                f"that is the model's own size, and it is taken as it is; --align {self.alignment.text} cuts it"
            ]
        return _face(photograph, self.alignment)


def check_alignment(text: str) -> None:
    """Check ``--align`` before a model is opened.

    Args:
        text: What was asked.

    Raises:
        OptionError: If there is no such rule.
    """
    if text == AUTO:
        return
    try:
        parse_alignment(text)
    except ValueError as error:
        raise OptionError(f"--align {text}: {error}; auto is the rule of the model's card") from None


def _face(photograph: Image.Image, alignment: Alignment) -> tuple[Frame, list[str]]:
    from zoo.faces.alignment import face_frame
    from zoo.faces.detector import find_faces_any_way_up

    faces, degrees = find_faces_any_way_up(photograph)
    if not faces:
        raise PictureError(f"no face is found in it; --align {NONE} takes the middle")
    remarks = [f"its face is found once it is turned by {degrees} degrees, and turned upright"] if degrees else []
    if len(faces) > 1:
        x, y = (round(part) for part in faces[0].points[:2].mean(axis=0))
        remarks.append(f"it shows {len(faces)} faces, and the largest is taken, with its eyes around ({x}, {y})")
    frame = face_frame(alignment, faces[0].points)
    beyond = frame.outside(photograph.size)
    if beyond > 0:
        remarks.append(f"{beyond:.0%} of what is taken lies beyond its border, and is filled by its mirror image")
    return frame, remarks
