"""Azure Language: labels files, both ways."""
