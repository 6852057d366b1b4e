"""Bytes on disk, each file whole or absent: checkpoints, results, downloads, the cache."""
