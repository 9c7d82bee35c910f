"""The module operator's contract: what addon-operator does with a module, done in the lab."""
