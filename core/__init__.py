"""What pipeline, screens and commands share: settings, store, queue, verdicts, safe text, cell images."""
