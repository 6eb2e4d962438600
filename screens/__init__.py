"""The console's screens. They read pages from the store and append verdicts; they never compute."""
