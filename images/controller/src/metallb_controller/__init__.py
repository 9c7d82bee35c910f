"""The controller: gives addresses to Services and places them on nodes."""
