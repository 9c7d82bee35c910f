"""Certificates of the webhook: made and judged here, by the hook and by the controller."""
