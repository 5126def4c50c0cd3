"""What to look for: classes, words, templates. No torch here."""
