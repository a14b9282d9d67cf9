"""One file per dashboard, and what they share. Nothing here is read at run time: the built files are."""
