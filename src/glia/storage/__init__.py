"""Objects that people and agents keep under a pathname: uploads, data sets, results."""
