"""One time step of a VRNN: the cell of Eqs. (5), (6), (7) and (9), and the networks in it."""
