"""Corpora and batches: from the hub, from files, from memory."""
