"""What a question to the program is answered with: tables, text, pictures, and a report to write."""
