"""Arrays in, probabilities out: batched, in order, in bounded memory."""
