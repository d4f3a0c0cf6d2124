"""Nodes that are virtual machines under libvirt."""

from __future__ import annotations

from infrastructure.qemu.provider import QemuProvider

MODULE = QemuProvider
