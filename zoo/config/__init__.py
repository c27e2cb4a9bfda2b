"""The named things: papers, recipes, tasks, metrics, tokenizers. Imports no Keras."""
