"""The console in a browser: a small server, each tab of which drives a console of its own."""
