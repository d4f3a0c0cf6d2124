"""What the claims in the documentation are measured with."""
