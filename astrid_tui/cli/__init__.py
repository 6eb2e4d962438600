"""The commands: one file a noun, put together in `astrid_tui.cli.app`."""
