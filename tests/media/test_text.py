"""Text as numbers and as files."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrnn_tf import media


@settings(deadline=None)
@given(st.data())
def test_text_is_decoded_to_what_was_encoded(data):
    charset = data.draw(st.lists(st.characters(), min_size=2, unique=True))
    medium = media.Text("".join(charset))
    text = data.draw(st.text(st.sampled_from(charset)))
    x = medium.encode(text)
    assert x.shape == (len(text), 1) and x.dtype == np.float32
    assert all(charset[int(place)] == c for place, c in zip(x[:, 0], text, strict=True))
    assert medium.decode(x) == text


@pytest.mark.parametrize("character", ["d", "é", "\t", "'"])
def test_a_character_outside_of_the_set_is_named(character):
    medium = media.Text("abc\n ")
    named = re.escape(f"The character {character!r} is not one of the 5 that")
    with pytest.raises(ValueError, match=named):
        medium.encode("ab" + character)


def test_texts_stand_in_a_file_with_a_line_between_them(tmp_path):
    medium = media.Text("abé\n")
    path = medium.save(tmp_path / "a.txt", [medium.encode("é\na"), medium.encode("b")])
    first, second = path.read_bytes().decode("utf-8").split("\n\n" + "-" * 40 + "\n\n")
    assert (first, second) == ("é\na", "b\n")
