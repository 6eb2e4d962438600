"""Whether torch can use a CUDA device, and the one sentence where it cannot."""

from core.extras import lacking

SUBTRACTING = ("subtract.device is 'cuda'", "say 'cpu'")  # who asks, and what can be done without


def no_cuda(asked: str, instead: str) -> str | None:
    """Why a CUDA device that was asked for cannot be had; none where it can.

    It imports torch, which takes seconds.

    Parameters
    ----------
    asked : str
        Where it was asked for, such as ``--device is cuda``.
    instead : str
        What to do without one, such as ``train with --device cpu``.
    """
    try:
        import torch
    except ImportError:
        return f"{asked}, and torch is not installed: {lacking('train')}, or {instead}"
    return None if torch.cuda.is_available() else f"{asked}, and torch finds no CUDA device: {instead}"


def device_name() -> str:
    """What the CUDA device is called, where there is one."""
    import torch

    return str(torch.cuda.get_device_name())
