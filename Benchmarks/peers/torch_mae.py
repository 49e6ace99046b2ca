#!/usr/bin/env python3
"""Times the optimiser step of a masked autoencoder in PyTorch: what `lockstep benchmark step --objective mae` is measured against.

    Benchmarks/peers/torch_mae.py --record 3,32,32 --patch 4,4 --hidden-size 192 --num-layers 12 --num-heads 3 --micro-batch 32

The same network (pre-norm encoder of [CLS] and the visible patches, light decoder with one learned vector for hidden ones, fixed tables of
sines and cosines, a linear head), the same number of random visible patches per record, the same loss on normalised targets, AdamW and
clipping. Series are records of one axis. Prints JSON with tokens_per_s, which are positions per second, hidden ones included.
"""

import argparse
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def table(grid, width):
    """Sines and cosines of a grid's coordinates, the last axis first, behind a row of zeros for [CLS]."""
    share, half = width // len(grid), width // len(grid) // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half) / half)
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float) for n in grid], indexing="ij")
    parts = [torch.cat([torch.sin(a.reshape(-1, 1) * rates), torch.cos(a.reshape(-1, 1) * rates)], 1) for a in reversed(axes)]
    assert share == 2 * half
    return torch.cat([torch.zeros(1, width), torch.cat(parts, 1)])[None]


class MAE(nn.Module):
    def __init__(self, grid, size, a):
        super().__init__()
        small = a.hidden_size // 2
        heads = max(1, small // (a.hidden_size // a.num_heads))
        self.embed, self.down, self.head = nn.Linear(size, a.hidden_size), nn.Linear(a.hidden_size, small), nn.Linear(small, size)
        self.cls, self.mask = nn.Parameter(torch.zeros(1, 1, a.hidden_size)), nn.Parameter(torch.zeros(1, 1, small))
        self.register_buffer("places", table(grid, a.hidden_size))
        self.register_buffer("small_places", table(grid, small))
        self.encoder = nn.ModuleList(Block(a.hidden_size, a.num_heads) for _ in range(a.num_layers))
        self.decoder = nn.ModuleList(Block(small, heads) for _ in range(a.decoder_num_layers))
        self.norm, self.small_norm = nn.LayerNorm(a.hidden_size, eps=1e-6), nn.LayerNorm(small, eps=1e-6)

    def forward(self, x, order, kept, normalizes):
        b, t, size = x.shape
        visible, hidden = order[:, :kept], order[:, kept:]

        def take(rows, at):
            return rows.gather(1, at[..., None].expand(-1, -1, rows.shape[-1]))

        places = self.places[:, 1:].expand(b, -1, -1)
        h = torch.cat([self.cls.expand(b, -1, -1), self.embed(take(x, visible)) + take(places, visible)], 1)
        for block in self.encoder:
            h = block(h)
        h = self.down(self.norm(h))
        rows = torch.cat([h[:, 1:], self.mask.expand(b, t - kept, -1)], 1)
        rows = take(rows, order.argsort(1))
        h = torch.cat([h[:, :1], rows], 1) + self.small_places
        for block in self.decoder:
            h = block(h)
        y = self.head(take(self.small_norm(h)[:, 1:], hidden))
        target = take(x, hidden)
        if normalizes:
            target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
        return ((y - target) ** 2).mean()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--record", default="3,32,32")
    p.add_argument("--patch", default="4,4")
    defaults = dict(hidden_size=192, num_layers=12, num_heads=3, decoder_num_layers=1, micro_batch=32, steps=8, warmup=2, threads=1)
    for name, value in defaults.items():
        p.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    p.add_argument("--mask-ratio", type=float, default=0.75)
    p.add_argument("--raw-targets", action="store_true", help="targets as they are, as for series")
    p.add_argument("--compile", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    record, patch = [[int(n) for n in text.split(",")] for text in (a.record, a.patch)]
    grid = [n // k for n, k in zip(record[1:], patch)]
    positions, size = math.prod(grid), record[0] * math.prod(patch)
    kept = max(1, int(positions * (1 - a.mask_ratio) + 1e-9))
    net = MAE(grid, size, a)
    step = torch.compile(net) if a.compile else net
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    times = []
    for _ in range(a.warmup + a.steps):
        x = torch.randn(a.micro_batch, positions, size)
        order = torch.rand(a.micro_batch, positions).argsort(1)
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        step(x, order, kept, not a.raw_targets).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        times.append(time.perf_counter() - start)
    median = statistics.median(times[a.warmup :])
    print(
        json.dumps(
            dict(
                peer="torch " + torch.__version__, threads=a.threads, step_s=round(median, 4),
                tokens_per_s=round(a.micro_batch * positions / median, 1), records_per_s=round(a.micro_batch / median, 1),
            )
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
