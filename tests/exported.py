"""Reads exported weights as their users do and compares them to the bit.

    exported.py FLOAT32.pth FLOAT32.npz BFLOAT16.pth
"""
import sys

import numpy
import torch

full, half = (torch.load(path, weights_only=True) for path in (sys.argv[1], sys.argv[3]))
arrays = numpy.load(sys.argv[2])
assert list(full) == list(half) == list(arrays.files), list(full)
for name in full:
    assert full[name].dtype == torch.float32 and half[name].dtype == torch.bfloat16, name
    assert full[name].is_contiguous() and not full[name].requires_grad, name
    assert full[name].numpy().tobytes() == arrays[name].tobytes(), name
    assert full[name].shape == half[name].shape == arrays[name].shape, name
    rounded = full[name].to(torch.bfloat16).view(torch.int16)
    assert torch.equal(rounded, half[name].view(torch.int16)), name
print(len(full), "tensors")
