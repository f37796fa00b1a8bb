"""Opening and unpacking files of others: regular files, archives and compressed files, each within bounds."""
