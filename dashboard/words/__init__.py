"""Records in words: reasons, numbers, sizes, delays."""
