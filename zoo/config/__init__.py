"""What can be named: papers, recipes, tasks, metrics, tokenizers. Light: imports no Keras."""
