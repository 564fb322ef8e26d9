"""Jobs: tracked tasks with progress and children."""
