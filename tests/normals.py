"""The virtual normal loss as its authors compute it, by PyTorch in binary64, and its gradient.

usage: normals.py FILE      ("width height fb cap", outputs, labels, then the triples, one a line)

Prints the value and one gradient a line. Labels of -1 are none; their pixels are in no triple."""
import sys
import torch

lines = open(sys.argv[1]).read().split("\n")
width, height, fb, cap = (float(word) for word in lines[0].split())
output, label = (torch.tensor([float(word) for word in line.split()], dtype=torch.float64)
                 for line in lines[1:3])
triples = torch.tensor([[int(word) for word in line.split()] for line in lines[3:] if line])
output.requires_grad_()
floor = fb / cap
depth = torch.where(output > floor, fb / output.clamp(min=floor),
                    cap + cap / floor * (floor - output))

pixel = torch.arange(output.numel(), dtype=torch.float64)
u = pixel % width - width // 2
v = (pixel / width).floor() - height // 2


def groups(z):
    """(triples, 3 coordinates, 3 points)"""
    cloud = torch.stack([u * z.abs() / (518.858 * width / 640),
                         v * z.abs() / (519.470 * height / 480), z], 1)
    return cloud[triples].permute(0, 2, 1)


truth, made = groups(fb / label), groups(depth)
p12, p13, p23 = truth[:, :, 1] - truth[:, :, 0], truth[:, :, 2] - truth[:, :, 0], \
    truth[:, :, 2] - truth[:, :, 1]
edges = torch.stack([p12, p13, p23], 2)
norms = edges.norm(2, dim=1)
energy = torch.bmm(edges.permute(0, 2, 1), edges) / (norms[:, :, None] * norms[:, None, :] + 1e-8)
straight = ((energy > 0.867) | (energy < -0.867)).sum((1, 2)) > 3
near = ((edges.abs() < 0.005).sum(2) > 0).all(1)
truth, made = truth[~(straight | near)], made[~(straight | near)]


def normals(points):
    normal = torch.cross(points[:, :, 1] - points[:, :, 0], points[:, :, 2] - points[:, :, 0],
                         dim=1)
    norm = normal.norm(2, dim=1, keepdim=True)
    return normal / (norm + (norm == 0) * 0.01)


loss = torch.sort((normals(truth) - normals(made)).abs().sum(1)).values
loss = loss[int(loss.numel() * 0.25):].mean()
loss.backward()
print(f"{loss.item():.17g}")
for gradient in output.grad:
    print(f"{gradient.item():.17g}")
