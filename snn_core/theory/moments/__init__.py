"""The moment map of one layer: how it moves a mean and a variance, and where it rests."""
