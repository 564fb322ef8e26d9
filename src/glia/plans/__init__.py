"""Plans and reflections: what agents mean to do, and how good their answers were; made by runs, or on request."""
