"""The command ``leadglow``, but every step that changes a lead is a transaction, as otherwise only large ones are."""

import streams.store.redis
from app.cli.root import main

streams.store.redis.MANY = 1
main()
