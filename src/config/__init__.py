"""From conf/ to checked objects: composed, checked, built."""
