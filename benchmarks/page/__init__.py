"""What the page of `trainconf ui` costs."""
