"""The accelerator: compiled twins of the scorer and of the reader of records, to the same bytes."""
