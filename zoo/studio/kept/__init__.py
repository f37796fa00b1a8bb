"""What is kept on disk: sessions, results, uploads, masks, and the folders that are saved."""
