"""Handwriting in tables."""

from ink_files import PEN, POINTS, X, in_order, table, write


def test_tables_may_be_from_any_system(tmp_path, read):
    for name, content in {
        "crlf.csv": table().replace("\n", "\r\n"),
        "bom.csv": "\ufeff" + table(),
        "case.csv": table(" X , Y,Pen"),
        "more.csv": table(
            "pressure,x,y,pen", [(0.5, *p, e) for p, e in zip(POINTS, PEN, strict=True)]
        ),
        "quoted.csv": '"x","y","pen"\n' + table().partition("\n")[2],
        "blank.csv": table() + "\n\n",
    }.items():
        write(tmp_path / name, content)
    assert in_order(read(tmp_path)) == [X] * 6
