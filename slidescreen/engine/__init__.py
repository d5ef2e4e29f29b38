"""Compute probabilities from arrays: in order, in bounded memory, as fast as the processor allows.

`interface` defines an engine. `configuration` chooses one for this machine. `pytorch` and `openvino` are the two.
"""
