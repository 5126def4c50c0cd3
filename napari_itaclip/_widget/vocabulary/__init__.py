"""The table of classes and the details of the selected one."""
