"""Simulated observations with a known truth.

An independent generator: it shares no code with the stages it tests.
"""

from pipeline.simulate.pair import SimulatedPair, simulate_pair

__all__ = ["SimulatedPair", "simulate_pair"]
