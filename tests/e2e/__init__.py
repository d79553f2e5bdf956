"""The whole system as its users see it; a package, so that what these tests share stops after the last of them."""
