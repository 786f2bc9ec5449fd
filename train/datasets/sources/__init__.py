"""The files of a user or of a distributor: how they are found, compared, unpacked, fetched."""
