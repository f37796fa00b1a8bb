"""The architectures that come with zoo: one folder each, reached through the plugin hooks only."""
