"""Independent random streams, each from the run's seed and the purpose it serves.

Streams keep apart what should not influence each other: with the same seed a run sees the same batches whatever noise
its network draws.
"""

import hashlib

import torch


def stream_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed that depends on the run's seed and on the purpose alone; torch reads 32 of them on a processor."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for one purpose of one run."""
    return torch.Generator(device=device).manual_seed(stream_seed(seed, purpose))
