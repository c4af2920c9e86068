"""The lexical model: TF-IDF, its truncated SVD (LSA), and the terms of an archive."""
