"""Readers of event files: one module a format, and a registry that chooses by content, then suffix.

    from neurosim.data.formats import registry

    recording = registry.read("recording.raw")     # events, sensor, notes: see module recording
    samples = registry.read_samples("shd.h5")      # many labelled recordings in one file

The module of a format takes what its files do not say (a sensor, the layout of addresses, the order of
columns). A further format is a module with a FORMAT, and an entry in the registry.
"""
