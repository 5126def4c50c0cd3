"""Other words and definitions for a class: from packs, WordNet, ontologies, language models."""
