"""What `glia doctor` looks at. Looks only; changes nothing."""
