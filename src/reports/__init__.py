"""Many runs side by side: read from their folders, compared, shown as a table or a page."""
