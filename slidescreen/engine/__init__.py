"""Arrays in, probabilities out: in order, in bounded memory, as fast as the processor allows.

`interface` says what an engine is, `configuration` which one this machine gets; `pytorch` and `openvino` are the two.
"""
