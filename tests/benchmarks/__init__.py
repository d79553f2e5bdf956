"""``make bench``: Leadglow, its floor and its peers, measured side by side in one run."""
