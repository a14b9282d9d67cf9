"""Embeddings and reranking: texts packed into batches, one pass each."""
