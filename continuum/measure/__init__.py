"""From events to statistics."""
