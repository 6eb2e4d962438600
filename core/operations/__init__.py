"""What runs: runs and their processes, Prefect's server, times, power, where things stand."""
