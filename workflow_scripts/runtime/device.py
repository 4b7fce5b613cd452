"""The device a step computes on, and the settings that make its numbers repeatable."""

import torch


def compute_device() -> torch.device:
    """The first GPU this process may see, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_deterministic(threads: int) -> None:
    """Fix the number of threads and prefer algorithms whose result does not depend on timing; torch warns of others."""
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms sets the same, and loads its compiler
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # its ten bits of mantissa would reach the curvature


def device_facts(device: torch.device) -> dict[str, str | None]:
    """The device's kind and name, and the CUDA version torch was built for."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {"kind": device.type, "name": name, "cuda": torch.version.cuda}
