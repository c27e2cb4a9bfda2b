"""Layers that several papers share: attention, recurrence, positions, embeddings."""
