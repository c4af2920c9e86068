"""Groups articles: near-duplicates within events within storylines."""
