"""The controller's shell: watches, leadership, writes, its own HTTP port."""
