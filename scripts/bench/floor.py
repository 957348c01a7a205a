"""What no program can be faster than on this machine: the matrix products at the speed of the fastest one, and each weight,
its gradient and its moments once through memory."""

import math
import time

import torch

from workloads import SHAPE, Workload

FLOAT = 4  # bytes


def best(work, repetitions: int = 10) -> float:
    """Seconds of the fastest repetition."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def peak_flops(device: str) -> float:
    """Of a product of two square float32 matrices, a second."""
    torch.backends.cuda.matmul.allow_tf32 = False
    size = 1024 if device == "cpu" else 8192
    a, b = torch.rand(size, size, device=device), torch.rand(size, size, device=device)
    return 2 * size**3 / best(lambda: a @ b)


def bandwidth(device: str) -> float:
    """Bytes a second that are read or written, in a copy of 256 MB."""
    source = torch.rand(64_000_000, device=device)
    target = torch.empty_like(source)
    return 2 * FLOAT * len(source) / best(lambda: target.copy_(source))


def layers(workload: Workload) -> tuple[list[int], list[int]]:
    """Multiplications an image of each layer of the encoder and of the decoder."""
    network, features = workload.model["network"], math.prod(SHAPE)
    code = network["code"]
    outputs = code * (2 if workload.model["family"] == "variational" else 1)
    if network["kind"] == "mlp":
        widths = [features, *network["hidden"]]
        pairs = list(zip(widths, widths[1:]))
        inner = widths[-1]
        return ([i * o for i, o in pairs] + [inner * outputs], [code * inner] + [i * o for i, o in reversed(pairs)])
    channels, side, counts = [SHAPE[0], *network["channels"]], SHAPE[1], []
    for i, o in zip(channels, channels[1:]):
        side //= 2
        counts.append(i * o * 16 * side * side)
    inner = channels[-1] * side * side
    return counts + [inner * outputs], [code * inner] + counts[::-1]


def flops(workload: Workload) -> float:
    """Of a step's matrix products: forward, and backward for the weights and, but in the first layer, for the inputs."""
    encoder, decoder = layers(workload)
    if workload.encodes:
        return 2 * workload.batch * sum(encoder)
    products = 3 * sum(encoder + decoder) - encoder[0]
    network = workload.model["network"]
    if workload.model["family"] == "contractive":
        # Of the Jacobian's norm, code rows an image by the first layer's Gram matrix, and half of that symmetric matrix's gradient.
        products += 1.5 * network["code"] * network["hidden"][-1] ** 2
    return 2 * workload.batch * products


def weights(workload: Workload) -> int:
    encoder, decoder = layers(workload)
    if workload.model["network"]["kind"] == "conv":
        channels = [SHAPE[0], *workload.model["network"]["channels"]]
        return 2 * 16 * sum(i * o for i, o in zip(channels, channels[1:])) + encoder[-1] + decoder[0]
    return sum(encoder) + (0 if workload.model["network"]["tied"] else sum(decoder))


def floor_milliseconds(workload: Workload, peak: float, memory: float) -> tuple[float, float]:
    """Of the matrix products, and of the optimiser: gradients written and read, weights and both moments read and written."""
    passes = 0 if workload.encodes else 8
    return 1e3 * flops(workload) / peak, 1e3 * passes * FLOAT * weights(workload) / memory
