"""Support for tests: servers, whole systems, clients and made-up senders."""
