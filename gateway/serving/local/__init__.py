"""Handles of engine processes on this machine (llama.cpp)."""
