"""The disk tier's other half: its thread, and its files and folders."""
