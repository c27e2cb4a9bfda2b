"""One file per paper: its equations in Keras."""
