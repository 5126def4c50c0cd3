"""The other parts of the dock, from the image's choice to the status line."""
