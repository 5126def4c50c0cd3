"""The only room that knows Qt and the viewer."""
