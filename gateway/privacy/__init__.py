"""What people may ask of those who store their data: to see it, mend it, end its use, erase it."""
