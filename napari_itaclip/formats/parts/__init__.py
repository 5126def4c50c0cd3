"""What several formats need: JSON, XML, class tables, pixels, the state of a data set."""
