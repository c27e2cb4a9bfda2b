"""From logits to sequences: greedy and beam search, sampling."""
