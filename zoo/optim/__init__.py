"""Optimizers and learning rates of the papers."""
