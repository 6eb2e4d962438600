"""What a reviewer sees and decides: candidates, cards, cutouts, filters, verdicts, export."""
