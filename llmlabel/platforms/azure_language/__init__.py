"""Azure Language: labels files, both ways."""

TARGET = "azure-language"
"""What reports and errors call the platform."""
