"""A person's work, without Qt: the words, the settings, what runs and what has been computed."""
