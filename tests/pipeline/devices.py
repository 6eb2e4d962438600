"""Whether this machine has a CUDA device; what needs one is skipped where there is none."""

from __future__ import annotations

import pytest


def has_cuda() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


needs_cuda = pytest.mark.skipif(not has_cuda(), reason="needs torch and a CUDA device")
needs_no_cuda = pytest.mark.skipif(has_cuda(), reason="there is a CUDA device")
