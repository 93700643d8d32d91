#!/usr/bin/python3
"""The peer of the benchmark: the same training step in PyTorch, driven over a pipe (bench_peer.h).

Reads lines "POLICY BATCH SECONDS", answers each with the milliseconds of the fastest step of those
that so many seconds have room for. Threads are set by the environment (OMP_NUM_THREADS). Needs
Debian's python3-torch:

    echo full 1 0.5 | OMP_NUM_THREADS=1 tests/bench_torch.py
"""
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Decoder(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv0 = nn.Conv2d(inputs, 32, 3, padding=1)
        self.conv1 = nn.Conv2d(32, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, outputs, 3, padding=1)

    def forward(self, x):
        x = F.leaky_relu(self.conv0(x), 0.125)
        return self.conv2(F.leaky_relu(self.conv1(x), 0.125))


class UpydNet(nn.Module):
    def __init__(self):
        super().__init__()
        stages = [(3, 8, 1), (8, 8, 1), (8, 16, 2), (16, 16, 1), (16, 32, 2), (32, 32, 1)]
        self.encoder = nn.ModuleList(nn.Conv2d(i, o, 3, s, 1) for i, o, s in stages)
        self.decoder = nn.ModuleList([Decoder(32, 32), Decoder(48, 32), Decoder(40, 1)])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(32, 32, 2, 2) for _ in range(2))

    def forward(self, x):
        kept = []
        for conv in self.encoder:
            x = F.leaky_relu(conv(x), 0.125)
            kept.append(x)
        x = self.ups[0](self.decoder[0](x))
        x = self.ups[1](self.decoder[1](torch.cat([kept[3], x], 1)))
        return F.relu(self.decoder[2](torch.cat([kept[1], x], 1)))


def berhu(output, target):
    t = target.max()
    d = (output / t - target / t).abs()
    c = 0.2 * d.max().item()
    valid = target != -1
    return torch.where(d < c, d, (d * d - c * c) / (2 * c))[valid].sum() / valid.sum()


def milliseconds(policy, batch, seconds):
    torch.manual_seed(1)
    net = UpydNet()
    if policy == "d0":
        for p in net.parameters():
            p.requires_grad = False
        for p in [*net.decoder[0].parameters(), *net.ups[0].parameters()]:
            p.requires_grad = True
    learning = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learning, lr=1e-3, eps=1e-7)
    pictures = torch.rand(batch, 3, 48, 48)
    labels = 20 + 20 * torch.rand(batch, 48, 48)
    labels[:, ::3] = -1
    fastest, steps, end = float("inf"), 0, 0.0
    while steps < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        optimizer.zero_grad()
        berhu(net(pictures)[:, 0], labels).backward()
        optimizer.step()
        took = time.perf_counter() - began
        steps += 1
        if steps <= 2:  # they warm up
            end = time.perf_counter() + seconds
        else:
            fastest = min(fastest, took)
    return 1e3 * fastest


print("ready", flush=True)
for line in sys.stdin:
    policy, batch, seconds = line.split()
    print(milliseconds(policy, int(batch), float(seconds)), flush=True)
