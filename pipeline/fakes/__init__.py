"""Injected sources among the candidates: drawn into a copy of the frame before it is subtracted."""
