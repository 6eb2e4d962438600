"""The science: one module a stage, each a plain function from value to value."""
