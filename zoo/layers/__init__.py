"""What several papers share unchanged: attention, positions, embeddings."""
