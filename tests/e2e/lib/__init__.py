"""What the end-to-end tests share: the program under test, and servers good and bad to probe."""
