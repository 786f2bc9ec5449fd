"""What a data set subclasses: `Builder`, and a parent for each kind of data.

`pen`, `audio`, `pianoroll` and `text` hold the parents. The other modules hold what `Builder` uses.
"""
