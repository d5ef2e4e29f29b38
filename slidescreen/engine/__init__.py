"""Arrays in, probabilities out: in order, in bounded memory, as fast as the processor allows.

`interface` says what an engine is, `selection` which one this machine gets, `pytorch` and `openvino` are the two there
are, `pipeline` feeds them.
"""
