"""What hooks, controller and speaker share: net < api < domain; kube and runtime stand apart."""
