"""What a person or a script reads: terminal, CSV, JSON, HTML."""
