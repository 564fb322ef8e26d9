"""Agents as data: a name, instructions, a model, tools, knowledge and limits, in immutable versions."""
