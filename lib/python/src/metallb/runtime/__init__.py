"""What a long-running process needs: logs, metrics, health, supervised tasks."""
