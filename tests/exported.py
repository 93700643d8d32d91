"""Reads exported weights as their users do and compares them to the bit; with three more files,
computes what a network predicts, and compares that with what we predict.

    exported.py FLOAT32.pth FLOAT32.npz BFLOAT16.pth [WEIGHTS.pth PICTURE.rgb DEPTH.npy [MODEL.onnx]]
"""
import sys

import numpy
import torch
import torch.nn.functional as F

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


def disparity(weights, picture):
    """The published network (NETWORK.md) in binary64. Also the outputs of its convolutions, and how
    far each can be off in binary32 when its inputs are exact: a sum of k products, rounded in any
    order, by gamma_k times the sum of their magnitudes (Higham, Accuracy and Stability, 3.5)."""
    outputs, errors = [], []

    def layer(name, x, operator, taps, **how):
        weight, bias = weights[name + ".weight"], weights[name + ".bias"]
        n = (taps + 2) * 2.0**-24
        outputs.append(operator(x, weight, bias, **how))
        errors.append(n / (1 - n) * operator(x.abs(), weight.abs(), bias.abs(), **how).detach())
        return outputs[-1]

    def conv(name, x, stride=1):
        taps = weights[name + ".weight"][0].numel()
        return layer(name, x, F.conv2d, taps, stride=stride, padding=1)

    def decoder(n, x):
        for c in (0, 1):
            x = F.leaky_relu(conv(f"decoder{n}.conv{c}", x), 0.125)
        return conv(f"decoder{n}.conv2", x)

    x, kept = picture, []
    for n, stride in enumerate((1, 1, 2, 1, 2, 1)):
        x = F.leaky_relu(conv(f"encoder.conv{n}", x, stride), 0.125)
        kept.append(x)
    for n, skip in ((0, 3), (1, 1)):
        x = layer(f"ups{n}.tconv", decoder(n, x), F.conv_transpose2d, 32, stride=2)
        x = torch.cat([kept[skip], x], 1)
    return F.relu(decoder(2, x))[0, 0], outputs, errors


def run_onnx(path, picture):
    """What the nodes of a model make of a picture, in binary64."""
    import onnx.numpy_helper

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    known = {t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()).double()
             for t in model.graph.initializer}
    known[model.graph.input[0].name] = picture
    for node in model.graph.node:
        inputs = [known[name] for name in node.input]
        how = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if "kernel_shape" in how:
            stride, pad = how["strides"], how["pads"][:2]
            assert how["pads"] == pad * 2
            if inputs[1:]:
                assert list(inputs[1].shape[2:]) == how["kernel_shape"]
        known[node.output[0]] = {
            "Conv": lambda: F.conv2d(*inputs, stride=stride, padding=pad),
            "ConvTranspose": lambda: F.conv_transpose2d(*inputs, stride=stride, padding=pad),
            "LeakyRelu": lambda: F.leaky_relu(inputs[0], how["alpha"]),
            "Relu": lambda: F.relu(inputs[0]),
            "Concat": lambda: torch.cat(inputs, how["axis"]),
        }[node.op_type]()
    return known[model.graph.output[0].name][0, 0]


def compare(pth, picture, npy, *models):
    """At every 49th pixel: how far it can be off to first order is the sum over all that is
    rounded of its error times what it does to the pixel; twice that leaves room for the rest."""
    weights = {n: w.double() for n, w in torch.load(pth, weights_only=True).items()}
    pixels = torch.from_numpy(numpy.fromfile(picture, "u1").reshape(48, 48, 3))
    x = (pixels.permute(2, 0, 1)[None].double() / 255).requires_grad_()
    expected, outputs, errors = disparity(weights, x)
    for model in models:
        assert torch.equal(run_onnx(model, x), expected)
        print("ONNX as well")
    depth = numpy.load(npy).astype("f8").ravel()
    assert (depth > 0).mean() > 0.5
    worst = 0
    for p in range(0, depth.size, 49):
        d = expected.flatten()[p]
        if depth[p] <= 0:
            assert d < 1e-4, d
            continue
        slopes = torch.autograd.grad(d, [x, *outputs], retain_graph=True)
        bound = sum((s.abs() * e).sum() for s, e in zip(slopes, [x * 2.0**-24, *errors]))
        bound = 2 * bound.item() + 80 / depth[p] * 2.0**-22  # the depth is rounded as well
        assert bound < 0.01 * d, (bound, d)
        off = abs(80 / depth[p] - d.item())
        assert off <= bound, (p, off, bound)
        worst = max(worst, off / bound)
    print(f"within {worst:.2g} of the bound")


if len(sys.argv) > 4:
    compare(*sys.argv[4:])
