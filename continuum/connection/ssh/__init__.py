"""Connections over OpenSSH."""
