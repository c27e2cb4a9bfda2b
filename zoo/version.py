"""The version of the package, where the build and the metadata of bundles read it."""

__version__ = "0.1.0"
