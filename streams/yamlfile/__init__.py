"""YAML files: values with line and column, read again when the file changes."""
