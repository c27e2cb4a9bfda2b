"""N-grams in arrays, without Keras: counted, smoothed, checked, laid out as a model's weights."""
