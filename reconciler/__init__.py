"""Declarative reconciler for Portkey AI-gateway integrations."""

__version__ = "0.1.0"
