"""Reports add up, and survive being written."""

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from vrnn_tf.train.datasets.builders.report import Report

REPORT = st.builds(
    lambda number, skipped, counts: Report(
        skipped, [(number, f"f{number}", f"{n}") for n in range(skipped)], counts
    ),
    st.integers(0, 1_000),
    st.integers(0, 60),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)).map(Counter),
)


@given(st.lists(REPORT, max_size=6, unique_by=lambda r: r.reasons[0][0] if r.reasons else id(r)))
def test_reports_add_up_in_any_order(reports):
    total = Report.joined(reports)
    for some in itertools.islice(itertools.permutations(reports), 12):
        half = len(some) // 2
        parts = (Report.joined(some[:half]), Report.joined(some[half:]))
        assert Report.joined(parts) == total
    assert total.skipped == sum(report.skipped for report in reports)
    assert len(total.reasons) == min(100, total.skipped)
    assert [number for number, _, _ in total.reasons] == sorted(n for n, _, _ in total.reasons)


def test_a_report_survives_its_file(tmp_path):
    report = Report()
    report.skip(3, tmp_path / "a\udcff", "x", ValueError("no\nsense"))
    report.counts.update({"ä": 2, "none": 0})
    report.write(tmp_path / "report.json")
    assert Report.from_file(tmp_path / "report.json") == report
    assert report.reasons[0][1:] == (f"{tmp_path}/a\\udcff (x)", "no sense")
