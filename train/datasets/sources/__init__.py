"""The files of a user or of a distributor: finds, compares, unpacks and fetches them."""
