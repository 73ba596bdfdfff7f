"""Readers of event files: one module a format, and a registry that chooses by content, then suffix."""
