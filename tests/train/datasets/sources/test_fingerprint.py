"""A change of the files is noticed."""

from number_files import GOOD


def test_every_change_of_the_files_is_noticed(folder, prepare):
    def firsts():
        return sorted(x[0, 0] for x in prepare(folder).all_sequences("train"))

    assert firsts() == [1, 1, 5, 5]
    path = folder / "train" / "a.num"
    path.write_text(GOOD.replace("1 2 0", "9 2 0"))  # of the same size
    assert firsts() == [1, 5, 5, 9]
    path.rename(path.with_name("z.num"))
    assert {r["text"] for r in prepare(folder).records("train")} == {b"b", b"z"}
