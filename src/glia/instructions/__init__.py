"""Instructions: rules that an agent always follows, and what it does by the clock or when something happens."""
