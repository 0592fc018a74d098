"""The shared summary core: write, read and index event files. Knows no framework and no server."""
