"""Support for tests: servers, whole systems, clients and simulated senders."""
