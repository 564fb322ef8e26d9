"""Tools made from what is there: a built-in tool with fixed arguments, a program, an HTTP endpoint."""
