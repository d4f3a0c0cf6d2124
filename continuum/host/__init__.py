"""The machine that Continuum runs on."""
