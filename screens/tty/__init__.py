"""Between the terminal and Textual: what comes in, and what has really been drawn."""
