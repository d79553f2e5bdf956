"""What the commands `status` and `doctor` find out about a running system."""
