"""IAM-OnDB: lines of English written on a whiteboard, the handwriting of arXiv:1506.02216."""

from __future__ import annotations

import dataclasses
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np

from vrnn_tf.validation import check_choice

from .builders.carving import carve, check_fraction
from .builders.pen import PenBuilder
from .builders.reading import Item
from .builders.report import DataWarning
from .formats.offsets import to_offsets
from .sources.folders import files_with

_FORM = re.compile(r"[a-z]\d\d-\d\d\d[a-z]?")
_LISTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "reference": {"train": ("train.txt",), "validation": ("valid.txt",)},
    "official": {
        "train": ("trainset.txt",),
        "validation": ("testset_v.txt", "testset_t.txt"),
        "test": ("testset_f.txt",),
    },
}
_MAX_SHOWN = 10  # missing forms that a message names; the metadata names all


@dataclasses.dataclass(frozen=True)
class Options:
    """Choices of IAM-OnDB.

    Args:
        lists: which lists of forms make the splits. "reference" takes those of the paper's code:
            train.txt and valid.txt. "official" takes those of the distributor's task IAM-OnDB-t1:
            trainset.txt for training, testset_v.txt and testset_t.txt for validation, testset_f.txt
            for test.
        validation_fraction: which part of the training lines is set aside for validation if all
            forms of the validation list are missing.

    Raises:
        ValueError: if a value is out of range.
    """

    lists: str = "reference"
    validation_fraction: float = 0.1

    def __post_init__(self):
        check_choice("lists", self.lists, _LISTS)
        check_fraction("validation_fraction", self.validation_fraction)


class IamOndb(PenBuilder):
    """Lines of IAM-OnDB. x is in units of the whiteboard, y negated so that it points up.

    A line is read as the paper's code reads it: offsets between successive points, pen 1 on the
    last point of a stroke, no smoothing and no outlier removal.

    Line N of a form has line N of its transcription as text. If a form has more lines of strokes
    than of text, or fewer, nobody knows which belong together: its lines are kept with the text "".
    The writer of a form stands in forms.txt, or else in the form's original recording. If neither
    names one, the writer is "".

    If all forms of the validation list are missing, training forms are validated on. All forms of a
    writer go to one split. Where the writer is not known, all forms with the same text do (a01-000u
    and a01-000x).
    """

    SUMMARY = "IAM-OnDB: lines of English on a whiteboard, 12,179 in the lists of the paper's code"
    UNIT = "whiteboard units, y up"
    HOMEPAGE = "https://fki.tic.heia-fr.ch/databases/iam-on-line-handwriting-database"
    LICENSE = "Non-commercial research; the distributor asks to register and cite. Do not pass on."
    CITATION = """@inproceedings{liwicki2005iam,
  title={{IAM-OnDB} -- an on-line {English} sentence database acquired from handwritten text
         on a whiteboard},
  author={Liwicki, Marcus and Bunke, Horst},
  booktitle={International Conference on Document Analysis and Recognition},
  pages={956--961}, year={2005}}"""
    LAYOUT = """Register at the home page and fetch lineStrokes-all.tar.gz and ascii-all.tar.gz. Put
them, or what they unpack to, into one folder with the lists of forms. A list has a form on each
line, for example a01-000u. The lists of the paper's code are in github.com/jych/nips2015_vrnn under
datasets/iamondb_text. The official lists are on the distributor's download page.

    DIR/lineStrokes/a01/a01-000/a01-000u-01.xml
    DIR/ascii/a01/a01-000/a01-000u.txt
    DIR/train.txt, DIR/valid.txt       the lists of the paper's code (lists=reference)
    DIR/trainset.txt, DIR/testset_v.txt, DIR/testset_t.txt, DIR/testset_f.txt   (lists=official)
    DIR/forms.txt                      optional, names the writers: "form writer" on each line
    DIR/original/a01/a01-000/strokesu.xml    optional, names the writers: original-xml-all.tar.gz

"""
    SUFFIXES = (".xml", ".txt")
    Options = Options

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        data = self.unpack(folder, "lineStrokes", "ascii")
        lines = _lines_by_form(data / "lineStrokes")
        forms = self._listed_forms(folder, lines)
        writers = _read_writers(folder / "forms.txt")
        original = (folder if (folder / "original").is_dir() else data) / "original"
        for form in (form for names in forms.values() for form in names if form not in writers):
            writers[form] = _read_writer(original, form)
        self.note(validation="of the list")
        if not forms["validation"]:
            forms["validation"] = self._carve(forms["train"], lines, writers)
            forms["train"] = [form for form in forms["train"] if form not in forms["validation"]]
        return {
            split: [item for form in names for item in self._items(data, form, lines, writers)]
            for split, names in forms.items()
            if names
        }

    def _listed_forms(self, folder: Path, lines: Collection[str]) -> dict[str, list[str]]:
        """Returns the forms of each split that are there. Missing forms are reported."""
        present: dict[str, list[str]] = {}
        missing: dict[str, list[str]] = {}
        split_of: dict[str, str] = {}
        for split, names in _LISTS[self.options.lists].items():
            forms = [form for name in names for form in _read_forms(folder / name, self.help())]
            for form in forms:
                if split_of.setdefault(form, split) != split:
                    raise ValueError(f"{form} is in the lists of {split_of[form]} and of {split}.")
            present[split] = [form for form in dict.fromkeys(forms) if form in lines]
            missing[split] = [form for form in dict.fromkeys(forms) if form not in lines]
        self.note(missing=missing)
        for split, absent in missing.items():
            if absent:
                shown = ", ".join(absent[:_MAX_SHOWN]) + (
                    ", ..." if len(absent) > _MAX_SHOWN else ""
                )
                count = len(absent) + len(present[split])
                reason = f"{len(absent)} of {count} forms of the list are missing: {shown}"
                self.skip(Path("lineStrokes"), split, ValueError(reason))
        return present

    def _carve(
        self, forms: list[str], lines: Mapping[str, list[Path]], writers: Mapping[str, str]
    ) -> list[str]:
        """Returns the training forms to validate on: whole writers or whole texts."""
        groups = {
            form: writers[form] or form.rstrip("abcdefghijklmnopqrstuvwxyz") for form in forms
        }
        sizes: dict[str, int] = {}
        for form in forms:
            sizes[groups[form]] = sizes.get(groups[form], 0) + len(lines[form])
        chosen = carve(sizes, self.options.validation_fraction)
        carved = [form for form in forms if groups[form] in chosen]
        message = (
            f"all forms of the validation list are missing; {len(carved)} of the {len(forms)} "
            "training forms, chosen by a hash of their names, are validated on instead"
        )
        self.note(validation=message)
        warnings.warn(message, DataWarning, stacklevel=2)
        return carved

    def _items(
        self, data: Path, form: str, lines: Mapping[str, list[Path]], writers: Mapping[str, str]
    ) -> Iterator[Item]:
        numbers = {int(path.stem.rsplit("-", 1)[1]): path for path in lines[form]}
        path = data / "ascii" / form[:3] / form[:7] / f"{form}.txt"
        try:
            text = _read_transcription(path, max(numbers))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self.skip(path, "", ValueError(f"{reason}; the lines are kept without text"))
            text = [""] * max(numbers)
        for number, line in numbers.items():
            yield Item(line, line.stem, (text[number - 1], writers[form]))

    def read(self, item: Item) -> Iterator[tuple[str, dict[str, str | np.ndarray]]]:
        text, writer = item.details
        yield "", {"x": to_offsets(_read_strokes(item.path), True), "text": text, "writer": writer}


def _lines_by_form(folder: Path) -> dict[str, list[Path]]:
    """Finds the files of the lines of each form below lineStrokes."""
    paths: dict[str, list[Path]] = {}
    for path in files_with(folder, (".xml",)):
        form, _, number = path.stem.rpartition("-")
        if _FORM.fullmatch(form) and number.isdecimal() and int(number):
            paths.setdefault(form, []).append(path)
    if not paths:
        raise ValueError(f"{folder} holds no line such as a01/a01-000/a01-000u-01.xml.")
    return paths


def _read_forms(path: Path, advice: str) -> list[str]:
    if not path.is_file():
        raise ValueError(f"{path} is missing. {advice}")
    forms = path.read_text(encoding="latin-1").split()
    for form in forms:
        if not _FORM.fullmatch(form):
            raise ValueError(f"{path} must hold form names such as a01-000u. Received {form!r}.")
    return forms


def _read_writers(path: Path) -> dict[str, str]:
    """Reads `{form: writer}` from forms.txt if it exists. Other lines in it do not matter."""
    if not path.is_file():
        return {}
    rows = [line.split() for line in path.read_text(encoding="latin-1").splitlines()]
    writers = {row[0]: row[1] for row in rows if len(row) > 1 and _FORM.fullmatch(row[0])}
    if not writers:
        raise ValueError(
            f"{path} must hold lines of a form and its writer, such as a01-000u 10001."
        )
    return writers


def _read_writer(folder: Path, form: str) -> str:
    """The writer that the original recording of a form names; "" if it names none."""
    path = folder / form[:3] / form[:7] / f"strokes{form[7:]}.xml"
    if not path.is_file():
        return ""
    try:
        with open(path, "rb") as file:
            for _, element in ET.iterparse(file, events=("start",)):
                if element.tag == "Form":
                    return element.get("writerID", "")
                if element.tag == "StrokeSet":  # the header is over
                    return ""
    except ET.ParseError as error:
        raise ValueError(f"{path} is malformed: {error}. Fetch it again.") from None
    return ""


def _read_transcription(path: Path, expected: int) -> list[str]:
    """Reads the lines as they were written, which stand below "CSR:" in the file.

    A row of % in a line says that the writer went on below.
    """
    _, heading, written = path.read_text(encoding="latin-1").partition("CSR:")
    lines = [line.strip() for line in re.split(r"\n|%%+", written) if line.strip()]
    if not heading or len(lines) != expected:
        raise ValueError(f"{len(lines)} lines of text below CSR: for {expected} lines of strokes")
    return lines


def _read_strokes(path: Path) -> list[np.ndarray]:
    return [
        np.array([_read_point(point, number) for point in stroke.iter("Point")])
        for number, stroke in enumerate(ET.parse(path).getroot().iter("Stroke"), 1)
    ]


def _read_point(point: ET.Element, stroke: int) -> tuple[float, float]:
    try:
        return float(point.attrib["x"]), float(point.attrib["y"])
    except (KeyError, ValueError):
        raise ValueError(f"stroke {stroke} has a point {point.attrib} without x and y") from None
