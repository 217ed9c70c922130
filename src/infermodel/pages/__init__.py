"""Pages of the documentation whose tables and pictures a command makes: a module a page."""
