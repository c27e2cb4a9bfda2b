"""Pictures, tables and experiments made of trained models."""
