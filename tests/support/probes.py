"""Reads the probes and metrics of a running process."""

import urllib.error
import urllib.request
from http.client import HTTPException

from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S = 5


def read_status(url: str) -> int:
    """The HTTP status of an address; 0 without an answer."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, HTTPException):
        return 0


def read_metric(server: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    with urllib.request.urlopen(f"{server}/metrics", timeout=TIMEOUT_S) as response:
        text = response.read().decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())
