"""Values written as text: dates, web addresses, languages and words, read the same way everywhere."""
