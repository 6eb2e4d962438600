"""Simulated observations with a known truth.

An independent generator: it shares no code with the stages it tests.
"""

from pipeline.simulate.night import NightPaths, SimulationRefused, simulate_night
from pipeline.simulate.pair import SimulatedPair, simulate_pair

__all__ = ["NightPaths", "SimulatedPair", "SimulationRefused", "simulate_night", "simulate_pair"]
