"""The board: pages and a JSON API about leads."""
