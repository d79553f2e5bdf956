"""HTTP pieces that the collector and the board share."""
